# More entries of the property test (test-properties.R): arguments by kind, and what a right answer is.
entries <- c(entries, list(
  funnel_adjusted = list(list(observed = "part", expected = function(n) sample(c(3.21, 7.77, 31.5), n, TRUE),
                              variance = function(n) sample(c(0.77, 2.5), n, TRUE), patients = "whole_size",
                              multiplier = "multiplier"), function(a, r) {
    n <- rows_of(a$observed, a$expected)
    v <- lapply(a[1:4], num, n)
    ok <- known(v[[1]], v[[2]], v[[3]], v[[4]]) & v[[2]] > 0 & v[[3]] > 0
    target <- sum(v[[1]][ok]) / sum(v[[4]][ok])
    if (!any(ok) || target %in% 0:1) return(expect_true(all(r$significance == "no data")))
    same(r$z[ok], ((v[[1]] - v[[2]]) / sqrt(v[[3]]))[ok], "score")
    same(r$value[ok], (v[[1]] / v[[2]])[ok] * target * a$multiplier, "value")
    level <- (abs(r$z) > qnorm(0.975)) + (abs(r$z) > qnorm(0.999))
    clear <- ok & abs(abs(r$z) - qnorm(0.975)) > 1e-9 & abs(abs(r$z) - qnorm(0.999)) > 1e-9
    expect_equal(grepl("95 %|99.8 %", r$significance)[clear], (level > 0)[clear])
    expect_equal(grepl("99.8 %", r$significance)[clear], (level > 1)[clear])
  })
))
