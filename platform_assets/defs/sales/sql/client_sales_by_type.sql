-- Sales of furniture and decoration per client
--
-- Turnover per client between two days, both counted, split by what the product is. A client who bought only the one has 0 for the
-- other; products that the nomenclature does not know are neither.
--
-- @owner  team:sales
-- @param  since <date> first day counted, default 2019-01-01
-- @param  until <date> last day counted, default 2019-12-31
-- @output client_id <text> client, ventes_meuble <decimal> turnover of furniture, ventes_deco <decimal> turnover of decoration
SELECT
  t.client_id,
  CAST(SUM(CASE WHEN p.product_type = 'MEUBLE' THEN t.prod_price * t.prod_qty ELSE 0 END) AS DECIMAL(18, 2)) AS ventes_meuble,
  CAST(SUM(CASE WHEN p.product_type = 'DECO' THEN t.prod_price * t.prod_qty ELSE 0 END) AS DECIMAL(18, 2)) AS ventes_deco
FROM validated.transactions AS t
JOIN validated.product_nomenclature AS p ON p.product_id = t.prod_id
WHERE t.date BETWEEN $since AND $until
GROUP BY t.client_id
ORDER BY t.client_id
