"""The clinicians' dashboard: what releases hold, drawn on the server, and an organisation's own cases behind its number.

Here: pages, pictures, words, who is asking. Nothing is computed: statistics are in the release, made by R. Own cases come from
`platform_assets.reports.own_cases`, the only thing that is read of the lake besides when deliveries came.
"""
