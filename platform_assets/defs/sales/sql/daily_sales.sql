-- Turnover per day
--
-- Price times pieces of all order lines of a day, between two days, both counted. A day without orders has no row.
--
-- @owner  team:sales
-- @param  since <date> first day counted, default 2019-01-01
-- @param  until <date> last day counted, default 2019-12-31
-- @output date <date> day of the orders, ventes <decimal> turnover of the day
SELECT
  date,
  CAST(SUM(prod_price * prod_qty) AS DECIMAL(18, 2)) AS ventes
FROM validated.transactions
WHERE date BETWEEN $since AND $until
GROUP BY date
ORDER BY date
