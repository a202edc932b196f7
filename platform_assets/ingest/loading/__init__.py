"""From staged rows to changed tables: what is decided (`rules`, over the tables that `relations` names), what becomes of whole deliveries
(`batch`), and the lake's way of writing it (`publish`, `merge`)."""
