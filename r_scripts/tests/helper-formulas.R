# Independent formulas for the property test: each takes a function's arguments and its answer, and expects them to fit.

num <- function(x, n) {
  x <- as.double(x)
  x[is.nan(x)] <- NA
  rep_len(x, n)
}
z_of <- function(a, confidence = a$confidence) qnorm(1 - (1 - confidence) / 2)
same <- function(ours, theirs, what, tolerance = 1e-6) {
  expect_equal(as.double(ours), as.double(theirs), tolerance = tolerance, label = what)
}
rows_of <- function(...) {
  lengths <- lengths(list(...))
  if (any(lengths == 0)) 0 else max(lengths)
}
known <- function(...) Reduce(`&`, lapply(list(...), function(x) !is.na(x)))

# The independent formulas: one function per statistic, of the arguments and of the answer.
poisson_ends <- function(x, confidence) {
  t(vapply(x, function(o) {
    if (is.na(o) || o != round(o) || o > 1e6) return(c(NA, NA))
    unname(stats::poisson.test(o, conf.level = confidence)$conf.int[1:2])
  }, c(0, 0)))
}
rate_is_right <- function(a, r) {
  n <- rows_of(a[[1]], a[[2]])
  x <- num(a[[1]], n)
  d <- num(a[[2]], n)
  d[which(d == 0)] <- NA
  per <- a$multiplier / d
  same(r$value, x * per, "rate")
  exact <- which(r$method == "Exact" & !is.na(x * per) & x == round(x) & x < 1e6)
  ends <- poisson_ends(x[exact], a$confidence) * per[exact]
  same(r$lower[exact], ends[, 1], "lower limit", 1e-5)
  same(r$upper[exact], ends[, 2], "upper limit", 1e-5)
  expect_true(all(is.na(r$value) | r$upper > r$value), label = "limits have a width")
  expect_true(all(is.na(r$lower) | r$lower <= r$value))
  if (all(r$method != "Byar")) expect_identical(is.na(r$lower), is.na(r$value))
}
proportion_is_right <- function(test) function(a, r) {
  n <- rows_of(a$numerator, a$denominator)
  x <- num(a$numerator, n)
  d <- num(a$denominator, n)
  ok <- known(x, d) & d > 0
  same(r$value[ok], x[ok] / d[ok] * a$multiplier, "proportion")
  expect_true(all(is.na(r[!ok, c("value", "lower", "upper")])))
  ends <- vapply(which(ok), function(i) test(x[i], d[i], a$confidence), c(0, 0)) * a$multiplier
  ends <- matrix(ends, 2)
  same(r$lower[ok], ends[1, ], "lower limit", 1e-5)
  same(r$upper[ok], ends[2, ], "upper limit", 1e-5)
  expect_true(all(r$upper[ok] > r$lower[ok]))
}
wilson_test <- function(x, n, confidence) { # the roots of |x/n - p| = z sqrt(p (1 - p) / n)
  z2 <- qnorm(1 - (1 - confidence) / 2)^2
  roots <- sort(Re(polyroot(c((x / n)^2, -2 * x / n - z2 / n, 1 + z2 / n))))
  c(if (x == 0) 0 else roots[1], if (x == n) 1 else roots[2])
}
clopper_test <- function(x, n, confidence) {
  tail <- (1 - confidence) / 2
  solve <- function(f) stats::uniroot(f, c(0, 1), tol = 1e-12)$root
  c(if (x == 0) 0 else solve(function(p) stats::pbeta(p, x, n - x + 1) - tail),
    if (x == n) 1 else solve(function(p) 1 - stats::pbeta(p, x + 1, n - x) - tail))
}
funnel_is_right <- function(chance) function(a, r) {
  n <- rows_of(a[[1]], a[[2]])
  x <- num(a[[1]], n)
  d <- num(a[[2]], n)
  ok <- known(x, d) & d > 0
  multiplier <- if (is.null(a$multiplier)) 1 else a$multiplier
  value <- x / d * multiplier
  expect_identical(r$significance == "no data", !ok)
  same(r$value[ok], value[ok], "value")
  if (!any(ok)) return()
  kind <- if (is.null(a$kind)) r$kind[1] else a$kind
  target <- if (!is.null(a$target)) a$target else if (grepl("ratio", kind)) 1 else sum(x[ok]) / sum(d[ok])
  same(r$target, rep(target * multiplier, n), "target")
  level <- (r$value > r$upper_95) + (r$value > r$upper_998) - (r$value < r$lower_95) - (r$value < r$lower_998)
  expect_equal(match(r$significance[ok], c("lower (99.8 %)", "lower (95 %)", "not different", "higher (95 %)", "higher (99.8 %)")) - 3,
               level[ok])
  expect_true(all(is.finite(r$z[ok])))
  if (target > 0 && (kind != "proportion" || target < 1)) {
    expect_true(all(r$upper_95[ok] > r$lower_95[ok] & r$upper_998[ok] >= r$upper_95[ok] & r$lower_998[ok] <= r$lower_95[ok]))
  }
  if (chance && kind == "proportion") {
    same(r$upper_998[ok], pmin(1, target + qnorm(0.999) * sqrt(target * (1 - target) / d[ok])), "upper limit")
  } else if (chance && kind != "ratio_chi_square") {
    tail <- stats::pgamma(target * d[ok], r$upper_95[ok] / multiplier * d[ok]) # P(X >= upper)
    if (target > 0) same(tail[target * d[ok] < 1e8], rep(0.025, sum(target * d[ok] < 1e8)), "tail of the upper limit", 1e-4)
  }
}
chart_is_right <- function(a, r) {
  n <- rows_of(a$numerator, a$denominator)
  x <- num(a$numerator, n)
  d <- num(a$denominator, n)
  ok <- known(x, d) & d > 0
  multiplier <- if (is.null(a$multiplier)) 1 else a$multiplier
  same(r$value[ok], x[ok] / d[ok] * multiplier, "value")
  expect_true(all(is.na(r[!ok, c("value", "lower", "upper")])) && !any(r$outside[!ok]))
  if (!any(ok)) return()
  centre <- sum(x[ok]) / sum(d[ok])
  same(r$centre, rep(centre * multiplier, n), "centre")
  if (is.null(r$sigma_z)) {
    variance <- if (is.null(a$multiplier)) centre * (1 - centre) else centre
    top <- (centre + 3 * sqrt(variance / d[ok])) * multiplier
    same(r$upper[ok], if (is.null(a$multiplier)) pmin(top, 1) else top, "upper limit")
  }
  expect_equal(r$outside, (r$value > r$upper | r$value < r$lower) %in% TRUE)
  flat <- ok & !is.na(r$upper) & r$upper == r$lower
  expect_true(!any(flat) || max(r$value[ok]) - min(r$value[ok]) < 1e-9 * max(1, r$value[ok]), label = "limits have a width")
}
by_group <- function(group, f) {
  names <- unique(as.character(group))
  stats::setNames(lapply(names, function(name) f(which(as.character(group) == name))), names)
}
groups_are_right <- function(group, r, f, columns, alphabetical = FALSE) {
  parts <- if (is.null(group)) list(f(TRUE)) else by_group(group, f)
  if (alphabetical && !is.null(group)) parts <- parts[order(names(parts))]
  if (!is.null(group)) expect_equal(r$group, names(parts))
  expect_equal(nrow(r), length(parts))
  for (i in seq_along(columns)) same(r[[columns[i]]], vapply(parts, `[`, 0, i), columns[i])
}
dsr_part <- function(a) function(rows) {
  full <- lapply(a[c("count", "population", "standard_population")], function(x) num(x, length(x))[rows])
  w <- full[[3]]
  used <- is.na(w) | w > 0
  if (anyNA(c(full[[1]][used], full[[2]][used], w)) || anyNA(full[[1]]) || !any(used) || any(full[[2]][used] == 0) ||
      sum(full[[1]][used]) < 10) return(c(sum(full[[1]]), NA, NA))
  w <- w[used] / sum(w[used])
  x <- full[[1]][used]
  p <- full[[2]][used]
  o <- sum(x)
  byar <- o * (1 - 1 / (9 * o) - z_of(a) / (3 * sqrt(o)))^3
  value <- sum(w * x / p)
  c(sum(full[[1]]), value * a$multiplier, (value + sqrt(sum(w^2 * x / p^2) / o) * (byar - o)) * a$multiplier)
}
expected_part <- function(a) function(rows) {
  x <- lapply(a[c("count", "population", "reference_count", "reference_population")], function(x) num(x, length(x))[rows])
  e <- 0
  for (i in seq_along(x[[1]])) {
    e <- e + if (x[[2]][i] %in% 0) 0 else if (x[[4]][i] %in% 0) NA else x[[2]][i] * x[[3]][i] / x[[4]][i]
  }
  c(sum(x[[1]]), e)
}
