# Vectors to and from the buffers that the host process holds. Values are never printed or parsed, so nothing rounds.

# Text from one block of NUL-terminated strings (`block`, raw), `missing` = positions of NA.
# readBin() makes ASCII in one pass; other text is split from a single UTF-8 string, which marks the pieces as UTF-8
# at once (Encoding<- on a million strings would be a second pass over R's string cache). `separator` is a character
# that the text does not hold; "" means ASCII.
text_from_block <- function(block, n, missing, separator) {
  if (n == 0) {
    x <- character()
  } else if (separator == "") {
    x <- readBin(block, "character", n)
  } else {
    whole <- rawToChar(block)
    Encoding(whole) <- "UTF-8"
    x <- strsplit(whole, separator, fixed = TRUE)[[1]]
    length(x) <- n # strsplit drops a trailing empty piece
    x[is.na(x)] <- ""
  }
  if (length(missing)) x[missing] <- NA_character_
  x
}

# Text from its distinct values and their positions (NA = missing).
text_from_levels <- function(block, n, separator, codes) text_from_block(block, n, integer(), separator)[codes]

as_flag <- function(codes) {
  storage.mode(codes) <- "logical"
  codes
}

as_date <- function(days) structure(days, class = "Date")

as_time <- function(seconds, zone) structure(seconds, class = c("POSIXct", "POSIXt"), tzone = zone)

frame_of <- function(columns, names, rows) {
  Encoding(names) <- "UTF-8"
  names(columns) <- names
  attr(columns, "row.names") <- .set_row_names(rows)
  class(columns) <- "data.frame"
  columns
}

# A column of a checked result as list(form, ...) of plain vectors: text as block + missing, or levels + codes where
# few values repeat; the rest as its numbers.
pack_column <- function(x) {
  if (inherits(x, "integer64")) return(list("integer64", as.double(unclass(x))))
  if (!is.character(x)) return(list(typeof(x), as.vector(unclass(x))))
  n <- length(x)
  probe <- x[seq(1L, max(n, 1L), by = max(1L, n %/% 2000L))]
  if (length(unique(probe)) < 0.5 * length(probe)) {
    levels <- unique(x)
    levels <- levels[!is.na(levels)]
    list("levels", text_block(levels), length(levels), match(x, levels))
  } else {
    missing <- is.na(x)
    if (!any(missing)) missing <- logical()
    x[missing] <- ""
    list("block", text_block(x), n, missing)
  }
}

text_block <- function(x) writeBin(enc2utf8(x), raw())
