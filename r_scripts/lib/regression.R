# Logistic and Poisson regression of millions of rows in the memory of a laptop: the same estimates as R's glm(), by the
# same iterations, without the copies of the data that a glm object keeps.
source("../lib/checks.R")

#' Fit a logistic or Poisson regression by iteratively reweighted least squares
#'
#' Each iteration solves X'WX b = X'Wz with sums over blocks of rows, columns scaled to be alike; start, stopping rule
#' (relative change of deviance under 1e-8) and result are
#' glm()'s. Source: McCullagh P, Nelder JA (1989) Generalized
#' Linear Models, ch 2.5. Columns that others make superfluous get no coefficient (NA), as in glm().
#'
#' @param formula  outcome ~ characteristics; offset() is allowed
#' @param data     complete rows
#' @param family   "logistic" or "poisson"
#' A list of class "case_mix": coefficients, covariance, terms, levels, contrasts, family, patients,
#'   iterations, converged, wide (names of characteristics whose coefficient the data do not determine). No data in it.
fit_regression <- function(formula, data, family) {
  frame <- stats::model.frame(formula, data, drop.unused.levels = TRUE, na.action = stats::na.pass)
  terms <- attr(frame, "terms")
  environment(terms) <- globalenv() # or the model would carry the data with it
  y <- check_response(frame, family)
  patients <- length(y)
  for (name in names(frame)[-1]) {
    if (is.character(frame[[name]])) frame[[name]] <- text_factor(frame[[name]])
    if (is.logical(frame[[name]])) frame[[name]] <- factor(frame[[name]])
  }
  levels <- lapply(Filter(is.factor, frame[-1]), levels)
  for (name in names(levels)) {
    if (length(levels[[name]]) < 2) stop("characteristic ", name, " has the same value in every row", call. = FALSE)
  }
  kind <- rows_alike(frame)
  frame <- frame[match(seq_len(max(kind)), kind), , drop = FALSE]
  offset <- stats::model.offset(frame)
  kinds <- outcome_by_kind(y, kind, if (is.null(offset)) numeric(nrow(frame)) else check_numbers(offset, "offset"),
                           family)
  blocks <- design_blocks(terms, frame)
  assign <- attr(blocks[[1]], "assign")
  contrasts <- attr(blocks[[1]], "contrasts")
  rm(frame)

  scale <- column_scales(blocks)
  kept <- independent_columns(blocks, scale)
  fit <- iterate(blocks, kinds, scale, kept, family)
  names <- colnames(blocks[[1]])
  coefficients <- stats::setNames(rep(NA_real_, length(names)), names)
  if (!fit$converged) {
    stop("the case-mix model did not converge: too few events for so many characteristics", call. = FALSE)
  }
  coefficients[kept] <- fit$beta / scale[kept]
  inverse <- if (length(kept)) chol2inv(fit$root) else matrix(numeric(), 0, 0)
  covariance <- inverse / tcrossprod(scale[kept])
  dimnames(covariance) <- list(names[kept], names[kept])
  # A standard error of 10 on the log scale over the width of a column: limits of e^20 times either way.
  width <- vapply(kept, function(column) column_width(blocks, column), 0)
  wide <- assign[kept][sqrt(diag(covariance)) * width > 10]
  structure(
    list(coefficients = coefficients, covariance = covariance, terms = terms, levels = levels, contrasts = contrasts,
         family = family, patients = patients, iterations = fit$iterations,
         converged = TRUE, wide = unique(attr(terms, "term.labels")[wide])),
    class = "case_mix"
  )
}

#' The model's linear predictor for new rows, in blocks; every characteristic known, every level one of the model's.
linear_predictor <- function(model, data) {
  terms <- stats::delete.response(model$terms)
  beta <- model$coefficients
  kept <- !is.na(beta)
  unlist(lapply(row_blocks(nrow(data)), function(rows) {
    frame <- stats::model.frame(terms, data[rows, , drop = FALSE], na.action = stats::na.pass)
    for (name in names(model$levels)) {
      text <- as.character(frame[[name]])
      unseen <- which(!text %in% model$levels[[name]])
      if (length(unseen)) {
        stop(structure(list(message = "a value that the model has not seen", call = NULL, column = name,
                            row = rows[unseen[1]]), class = c("unseen_level", "error", "condition")))
      }
      frame[[name]] <- factor(text, model$levels[[name]])
    }
    x <- stats::model.matrix(terms, frame, contrasts.arg = model$contrasts)
    offset <- stats::model.offset(frame)
    drop(x[, kept, drop = FALSE] %*% beta[kept]) + if (is.null(offset)) 0 else offset
  }), use.names = FALSE)
}

#' The outcome of a model frame as numbers: 0/1 for logistic, counts for Poisson.
check_response <- function(frame, family) {
  y <- stats::model.response(frame)
  name <- names(frame)[1]
  if (family == "logistic") return(check_outcome(y, name))
  if (is.logical(y)) y <- as.double(y)
  check_not_negative(y, name)
}

#' The kind of each patient, 1, 2, ...: patients with the same characteristics are one kind, so that a million patients
#' of whole ages and some groups are a few ten thousand rows of a design matrix. Where few are alike each is a kind.
rows_alike <- function(frame) {
  rows <- nrow(frame)
  kind <- rep(1, rows)
  kinds <- 1
  for (column in frame[-1]) {
    if (is.matrix(column)) return(seq_len(rows))
    values <- unique(column)
    kind <- kind + kinds * (match(column, values) - 1)
    seen <- unique(kind)
    kind <- match(kind, seen)
    kinds <- length(seen)
    if (kinds > rows / 2) return(seq_len(rows))
  }
  kind
}

#' What the iterations need of the outcome, per kind of patient
#'
#' A data frame: offset, count (patients), mean (outcome), weight and working (glm()'s first weights and working
#'   responses of the patients together); and attributes deviance_within (of the patients from the mean of their kind,
#'   which no model of the characteristics changes) and deviance_start
outcome_by_kind <- function(y, kind, offset, family) {
  link <- if (family == "logistic") stats::binomial() else stats::poisson()
  start <- if (family == "logistic") (y + 0.5) / 2 else y + 0.1
  eta <- link$linkfun(start)
  slope <- link$mu.eta(eta)
  weight <- slope^2 / link$variance(start)
  sums <- rowsum(cbind(1, y, weight, weight * (eta - offset[kind] + (y - start) / slope)), kind)
  mean <- sums[, 2] / sums[, 1]
  structure(
    data.frame(offset = offset, count = sums[, 1], mean = mean, weight = sums[, 3], working = sums[, 4] / sums[, 3]),
    deviance_within = sum(link$dev.resids(y, mean[kind], 1)), deviance_start = sum(link$dev.resids(y, start, 1))
  )
}

#' Row numbers in blocks of 20,000, which fit in a processor's cache.
row_blocks <- function(n) {
  lapply(seq_len(ceiling(n / 20000)), function(block) seq(20000 * (block - 1) + 1, min(20000 * block, n)))
}

#' factor(), by looking each text up once.
text_factor <- function(x) {
  levels <- sort(unique(x))
  structure(match(x, levels), levels = levels, class = "factor")
}

#' The design matrix in blocks of rows.
design_blocks <- function(terms, frame) {
  lapply(row_blocks(nrow(frame)), function(rows) {
    part <- frame[rows, , drop = FALSE]
    attr(part, "terms") <- terms
    x <- stats::model.matrix(terms, part)
    rownames(x) <- NULL
    if (!is.finite(sum(x))) {
      stop_at(!is.finite(rowSums(x)), "a characteristic as the formula has it is not a finite number, block ", rows[1])
    }
    x
  })
}

#' Root mean square of each column, so that all are alike in size.
column_scales <- function(blocks) {
  rows <- sum(vapply(blocks, nrow, 1))
  scale <- sqrt(Reduce(`+`, lapply(blocks, function(x) colSums(x^2))) / rows)
  ifelse(scale > 0, scale, 1)
}

#' Largest minus smallest value of a column, or its size where it is constant.
column_width <- function(blocks, column) {
  ends <- range(vapply(blocks, function(x) range(x[, column]), c(0, 0)))
  if (ends[2] > ends[1]) diff(ends) else abs(ends[1])
}

#' Columns that are no combination of those before them (by Cholesky's steps on X'X, in order).
independent_columns <- function(blocks, scale) {
  gram <- Reduce(`+`, lapply(blocks, crossprod)) / tcrossprod(scale)
  rows <- sum(vapply(blocks, nrow, 1))
  kept <- integer()
  for (column in seq_len(ncol(gram))) {
    rest <- gram[column, column]
    if (length(kept)) {
      rest <- rest - sum(backsolve(chol(gram[kept, kept, drop = FALSE]), gram[kept, column], transpose = TRUE)^2)
    }
    if (rest > 1e-11 * rows) kept <- c(kept, column)
  }
  kept
}

#' The iterations: list of beta (of scaled columns), root (Cholesky of X'WX), deviance, iterations, converged.
iterate <- function(blocks, kinds, scale, kept, family) {
  link <- if (family == "logistic") stats::binomial() else stats::poisson()
  rows <- row_blocks(nrow(kinds))
  size <- length(kept)
  inner <- seq_len(size)
  beta <- numeric()
  root <- NULL
  before <- Inf
  for (iteration in 0:25) {
    gram <- matrix(0, size + 1, size + 1)
    deviance <- attr(kinds, if (iteration) "deviance_within" else "deviance_start")
    for (block in seq_along(blocks)) {
      of <- kinds[rows[[block]], ]
      x <- blocks[[block]]
      if (size < ncol(x)) x <- x[, kept, drop = FALSE]
      if (iteration) {
        eta <- drop(x %*% (beta / scale[kept])) + of$offset
        mean <- link$linkinv(eta)
        deviance <- deviance + sum(link$dev.resids(of$mean, mean, of$count))
        slope <- link$mu.eta(eta)
        of$weight <- of$count * slope^2 / link$variance(mean)
        of$working <- eta - of$offset + (of$mean - mean) / slope
      }
      gram <- gram + crossprod(cbind(x, of$working) * sqrt(of$weight))
    }
    if (!all(is.finite(deviance), is.finite(gram))) break
    if (abs(deviance - before) / (abs(deviance) + 0.1) < 1e-8) {
      return(list(beta = beta, root = root, iterations = iteration, converged = TRUE))
    }
    before <- deviance
    if (!size) next
    root <- tryCatch(chol(gram[inner, inner, drop = FALSE] / tcrossprod(scale[kept])), error = function(e) NULL)
    if (is.null(root)) break
    beta <- backsolve(root, backsolve(root, gram[inner, size + 1] / scale[kept], transpose = TRUE))
  }
  list(converged = FALSE)
}
