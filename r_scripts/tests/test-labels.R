# Names beside points: readable, and on nothing else.

plots <- load_library("plots")

nothing_overlaps <- function(boxes) {
  pairs <- utils::combn(nrow(boxes), 2)
  !any(apply(pairs, 2, function(pair) plots$overlap(boxes[pair[1], ], boxes[pair[2], ])))
}
no_lines <- data.frame(x = numeric(), y = numeric())

test_that("names of points that are close together lie neither on each other nor on a point", {
  x <- c(2, 2.1, 2.2, 2.1, 5.9)
  y <- c(1, 1.05, 1, 0.9, 0.05)
  text <- c("Academisch Lab", "Noord Lab", "Stadslab", "Kustlab", "Heuvelland Lab")
  places <- plots$label_places(x, y, text, no_lines, 6, 3)
  expect_false(anyNA(places$x))
  names <- plots$boxes(places$x, places$y, nchar(text) * 0.08, 0.15)
  expect_true(nothing_overlaps(names))
  for (i in seq_along(x)) expect_false(any(plots$overlap(names[i, ], plots$boxes(x, y, 0.12, 0.12))))
  expect_true(all(names$left >= 0 & names$right <= 6 & names$bottom >= 0 & names$top <= 3))
})

test_that("where there is no room a name is left out, the first ones come first", {
  x <- rep(seq(0.5, 1.5, length.out = 8), 8)
  y <- rep(seq(0.5, 1.5, length.out = 8), each = 8)
  places <- plots$label_places(x, y, rep("a long name", 64), no_lines, 2, 2)
  expect_false(is.na(places$x[1]))
  expect_true(anyNA(places$x))
  expect_true(any(places$far))
})

test_that("a point alone has its name just above it, or below where a line would cross it", {
  line <- data.frame(x = seq(0, 6, 0.05), y = 1.2)
  expect_gt(plots$label_places(3, 1, "A", no_lines, 6, 3)$y, 1)
  expect_lt(plots$label_places(3, 1, "A", line, 6, 3)$y, 1)
})

test_that("what a line stands for is written where no point is", {
  x <- c(5.5, 5.2, 4.9)
  y <- c(1.1, 0.9, 1.1)
  place <- plots$line_label_place(x, y, 1, "all laboratories 8.7%", 6)
  expect_false(any(plots$overlap(place$box, plots$boxes(x, y, 0.12, 0.12))))
  expect_equal(plots$line_label_place(1, 2, 1, "all", 6)$box$right, 6)
})

written <- function(plot) {
  layers <- ggplot2::ggplot_build(plot)$data
  unlist(lapply(layers, function(layer) as.character(layer$label)))
}

test_that("a funnel names each of a few units, and of many those that are not ordinary, on either kind of axis", {
  for (step in c(20, 2000)) {
    sizes <- 100 + step * 0:9
    few <- data.frame(unit = letters[1:10], size = sizes, value = seq(0.08, 0.12, length.out = 10), highlight = "ordinary")
    funnel <- load_library("funnel")
    curve <- function(data) funnel$funnel_curve(funnel$funnel_proportion(data$size * data$value, data$size, 0.1), "proportion")
    draw <- function(data) plots$funnel_plot(data, curve(data), 0.1, "T", "n", "share", "all")
    expect_setequal(setdiff(written(draw(few)), c("95 %", "99.8 %")), c(letters[1:10], "all"))
    many <- rbind(few, transform(few, unit = LETTERS[1:10]))
    many$highlight[3] <- "worse"
    expect_setequal(setdiff(written(draw(many)), c("95 %", "99.8 %")), c("c", "all"))
  }
})

test_that("a plot with nothing to show is a sentence on an empty page", {
  plot <- plots$empty_plot("Organisations that are a concern", "None.")
  expect_identical(written(plot), "None.")
  drawn <- ggplot2::ggplotGrob(plot)
  shown <- drawn$layout$name[!vapply(drawn$grobs, inherits, NA, "zeroGrob")]
  expect_false(any(grepl("lab", shown)))
  for (part in c("panel.grid.major", "axis.text.x")) expect_s3_class(ggplot2::calc_element(part, plot$theme), "element_blank")
})

test_that("a caption says in plain words how many times as much as chance units vary, trimming allowed for", {
  caption <- plots$overdispersion_caption
  expect_match(caption(c(NA, 2.96), c(0.1, 0.1), c(0.7, 0.7)), "vary 4.2 times as much as chance alone", fixed = TRUE)
  expect_match(caption(0.97, 0, 0.69), "vary 1.4 times as much .* too little to widen the limits")
  expect_match(caption(0.7, 0.001, 0.69), "vary hardly more than chance alone", fixed = TRUE)
  expect_match(caption(0.6, 0, 0.69), "vary no more than chance alone", fixed = TRUE)
  expect_null(caption(NA_real_, 0, NA_real_))
})

test_that("legends say what the tables say", {
  words <- c("not different", "usual variation", "ordinary")
  for (name in sub("[.]R$", "", list.files(file.path(r_scripts, "indicators"), "[.]R$"))) {
    code <- paste(readLines(file.path(r_scripts, "indicators", paste0(name, ".R"))), collapse = " ")
    shown <- regmatches(code, gregexpr("ordinary = \"[^\"]+\"", code))[[1]]
    expect_true(all(sub("^.*\"(.*)\"", "\\1", shown) %in% words), label = name)
  }
  expect_true(all(load_library("funnel")$funnel_significance(1, 0, 2, 0, 2) %in% words))
  expect_true(all(load_library("control_charts")$xmr(rep(1:2, 6))$judgement %in% words))
})
