"""What may be shown of counts: the policy, how an atom is drawn, and whether what was drawn gives anybody away. No I/O but the policy's file.

An atom is the number of cases of one outcome in one organisation and period, or one amount of them. It is drawn once; everything that is
published is made of drawn atoms (`platform_assets.releases`).
"""
