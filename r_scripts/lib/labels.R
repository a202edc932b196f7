# Where to write names beside points, so that they lie neither on each other nor on points.
# Places are in inches on the plot's panel, so that a wide name and a high one count alike.

#' Places for the names of points
#'
#' Each name takes the nearest free place around its point: beside it first, then further away, where a line is to
#' lead to it. A place is free where no point and no other name is, nor between it and its point; of free places one that
#' crosses no line of the plot is better.
#' A name that finds no free place is left out rather than written over another: give the important ones first.
#'
#' @param x,y      all points, in inches
#' @param text     what to write beside each; "" or NA for nothing. Names are placed in the order of the rows
#' @param lines    data frame of x, y in inches: points along the lines of the plot
#' @param width,height  the panel in inches; names stay within it
#' @param taken    boxes where nothing may be written: data frame of left, right, bottom, top, or NULL
#' @param letter   width and height of a letter in inches
#' A data frame with a row per point: x, y (the middle of the name; NA: left out), far (a line leads to it), and
#'   edge_x, edge_y, where such a line ends
label_places <- function(x, y, text, lines, width, height, taken = NULL, letter = c(0.08, 0.15)) {
  names <- if (is.null(taken)) boxes(numeric(), numeric(), 0, 0) else taken
  taken <- rbind(taken, boxes(x, y, 0.12, 0.12))
  lines <- boxes(lines$x, lines$y, 0, 0)
  places <- data.frame(x = rep(NA_real_, length(x)), y = NA_real_, far = FALSE, edge_x = NA_real_, edge_y = NA_real_)
  for (i in which(!is.na(text) & text != "")) {
    wide <- nchar(text[i]) * letter[1]
    tries <- around(wide / 2, letter[2] / 2)
    box <- boxes(x[i] + tries$x, y[i] + tries$y, wide, letter[2])
    edge_x <- pmin(pmax(x[i], box$left), box$right)
    edge_y <- pmin(pmax(y[i], box$bottom), box$top)
    free <- box$left >= 0 & box$right <= width & box$bottom >= 0 & box$top <= height & !touches(box, taken)
    free[free] <- !way_is_taken(x[i], y[i], edge_x[free], edge_y[free], names)
    if (!any(free)) next
    best <- which(free)[order(tries$distance[free] + touches(box[free, ], lines))[1]]
    places[i, ] <- list(x[i] + tries$x[best], y[i] + tries$y[best], tries$distance[best] > 0, edge_x[best],
                        edge_y[best])
    taken <- rbind(taken, box[best, ])
    names <- rbind(names, box[best, ])
  }
  places
}

#' Is there a name on the straight way from a point to each of some edges?
way_is_taken <- function(x, y, edge_x, edge_y, names) {
  steps <- seq(0.1, 1, 0.05)
  of <- rep(seq_along(edge_x), each = length(steps))
  way <- boxes(x + steps * (edge_x[of] - x), y + steps * (edge_y[of] - y), 0, 0)
  seq_along(edge_x) %in% of[touches(way, names)]
}

#' A free place on a horizontal line for what it stands for: the right end first, above the line before below.
#' @inheritParams label_places
#' @param x,y   all points, in inches
#' @param line  height of the line in inches
#' A list: x, y (the middle of the text), box (what it takes)
line_label_place <- function(x, y, line, text, width, letter = c(0.085, 0.16)) {
  wide <- nchar(text) * letter[1]
  middle <- seq(width - wide / 2, wide / 2, length.out = 12)
  tries <- data.frame(x = rep(middle, each = 2), y = line + c(1, -1) * (letter[2] / 2 + 0.05))
  box <- boxes(tries$x, tries$y, wide, letter[2])
  points <- boxes(x, y, 0.12, 0.12)
  hits <- rowSums(overlaps(box, points))
  best <- which.min(hits)
  list(x = tries$x[best], y = tries$y[best], box = box[best, ])
}

#' Middles of a name around its point, nearest first: above, below, beside, at the corners, then further away.
around <- function(half_width, half_height) {
  across <- c(0, 0, 1, -1, 0.8, -0.8, 0.8, -0.8, 0.4, -0.4, 0.4, -0.4)
  up <- c(1, -1, 0, 0, 1, 1, -1, -1, 1, 1, -1, -1)
  ring <- rep(0:3, each = length(up))
  gap <- 0.08 + 0.17 * ring
  list(x = rep(across, 4) * (half_width + gap), y = rep(up, 4) * (half_height + gap), distance = ring)
}

boxes <- function(x, y, width, height) {
  data.frame(left = x - width / 2, right = x + width / 2, bottom = y - height / 2, top = y + height / 2)
}

#' Which of `box` (rows) lie on which of `others` (columns)?
overlaps <- function(box, others) {
  outer(box$left, others$right, `<`) & outer(box$right, others$left, `>`) &
    outer(box$bottom, others$top, `<`) & outer(box$top, others$bottom, `>`)
}

overlap <- function(box, others) overlaps(box, others)[1, ]

#' Which of `box` lie on any of `others`? Only those near by are looked at.
touches <- function(box, others) {
  if (!nrow(box)) return(logical())
  near <- others$right > min(box$left) & others$left < max(box$right) & others$top > min(box$bottom) &
    others$bottom < max(box$top)
  rowSums(overlaps(box, others[near, ])) > 0
}
