#' Hospital admissions by province
#'
#' How many inhabitants of each province have been admitted to hospital with COVID-19 since reporting began, in all
#' and per 100,000 inhabitants. The source reports running totals per municipality, so the figure is the sum over
#' municipalities on the last report day, never a sum over days.
#' Reports that could not be placed in a municipality carry a province and no municipality code. They count for
#' their province's total and rate (67 of the 12,315 admissions up to 15 September 2020 are of this kind).
#' A municipality without known inhabitants counts in the total and is left out of the rate, numerator and
#' denominator alike; the column municipalities_without_inhabitants says how many there are.
#'
#' @input municipal_admissions  report_date <date>, municipality_code <text>, municipality_name <text>,
#'                              province <text>, total_reported <integer>, hospital_admissions <integer>,
#'                              deaths <integer>
#' @input population            municipality_code <text>, municipality_name <text>, inhabitants <integer>
#' @param until <date> last report day counted, NA for the last day in the data, default NA
#' @output province <text> name of the province, total_admissions <integer> admissions reported up to the last day,
#'         per_100k <number> admissions per 100,000 inhabitants, inhabitants <integer> inhabitants counted in the rate,
#'         lower_95 <number> lower 95 % limit of the rate, upper_95 <number> upper 95 % limit of the rate,
#'         label <text> the province beside the country, report_date <date> last day of the reports,
#'         municipalities_without_inhabitants <integer> reported but not in the population table and so not in the rate
#' @plot ranking Provinces by admissions per 100,000 inhabitants
#' @figure value per_100k, unit province, size inhabitants
#' @unit admissions per 100,000 inhabitants
#' @direction higher is worse
#' @version 1.1
#' @owner team:surveillance
#' @minimum_n 10 of total_admissions
#' @publish public RIVM publishes these counts per municipality and day itself, CBS the inhabitants
source("../lib/rates.R")
source("../lib/plots.R")

minimum_admissions <- 10

admissions_by_province <- function(municipal_admissions, population, params = list()) {
  last_day <- last_report_day(municipal_admissions, params$until)
  last_day$hospital_admissions <- without_negative(last_day$hospital_admissions, "reports give admissions")
  people <- data.frame(code = standard_code(population$municipality_code),
                       inhabitants = without_negative(population$inhabitants, "municipalities have inhabitants"))
  reports <- data.frame(
    code = standard_code(last_day$municipality_code), province = last_day$province,
    admissions = last_day$hospital_admissions, report_date = last_day$report_date
  )
  reports$inhabitants <- people$inhabitants[match(reports$code, people$code)]
  reports$unplaced <- is.na(reports$code)
  reports$in_rate <- reports$unplaced | !is.na(reports$inhabitants)
  tell_what_is_missing(reports, people)

  provinces <- split(reports, reports$province)
  result <- do.call(rbind, lapply(provinces, province_row))
  if (is.null(result)) result <- province_row(reports)[0, ]

  country <- 1e5 * overall_share(result$admissions_in_rate, result$inhabitants)
  limits <- rate(result$admissions_in_rate, result$inhabitants, confidence = 0.95)
  wide <- rate(result$admissions_in_rate, result$inhabitants, confidence = 0.998)
  result$per_100k <- limits$value
  result$lower_95 <- limits$lower
  result$upper_95 <- limits$upper
  result$label <- rep("not different", nrow(result))
  result$label[which(wide$lower > country)] <- "higher than the country"
  result$label[which(wide$upper < country)] <- "lower than the country"
  result$label[result$admissions_in_rate < minimum_admissions] <- "too few to compare"
  result$label[is.na(result$per_100k)] <- "no inhabitants known"
  result <- result[order(result$province), c(
    "province", "total_admissions", "per_100k", "inhabitants", "lower_95", "upper_95", "label", "report_date",
    "municipalities_without_inhabitants"
  )]
  rownames(result) <- NULL
  list(data = result, ranking = function(table) province_ranking(table, country))
}

#' The rows of the last report day on or before `until`.
last_report_day <- function(municipal_admissions, until = NULL) {
  rows <- municipal_admissions[!is.na(municipal_admissions$report_date), ]
  if (length(until) && !is.na(until)) rows <- rows[rows$report_date <= as.Date(until), ]
  if (!nrow(rows)) return(rows)
  days <- sort(unique(rows$report_date), decreasing = TRUE)
  today <- rows[rows$report_date == days[1], ]
  if (length(days) > 1) {
    before <- rows$municipality_code[rows$report_date == days[2]]
    gone <- setdiff(before, c(today$municipality_code, NA))
    if (length(gone)) {
      warning(length(gone), " municipalities reported on ", days[2], " and not on ", days[1], ": ",
              paste(utils::head(gone, 5), collapse = ", "), ". Their earlier admissions are not counted.",
              call. = FALSE)
    }
  }
  today
}

#' One row for the reports of one province.
province_row <- function(reports) {
  data.frame(
    province = reports$province[1],
    total_admissions = as.integer(sum(reports$admissions, na.rm = TRUE)),
    admissions_in_rate = sum(reports$admissions[reports$in_rate], na.rm = TRUE),
    inhabitants = as.integer(sum(reports$inhabitants, na.rm = TRUE)),
    report_date = reports$report_date[1],
    municipalities_without_inhabitants = sum(!reports$in_rate)
  )
}

#' Numbers below zero are made unknown, and told.
without_negative <- function(numbers, what) {
  negative <- which(numbers < 0)
  if (length(negative)) warning(length(negative), " ", what, " below zero; taken as unknown", call. = FALSE)
  numbers[negative] <- NA
  numbers
}

#' Municipality codes in one spelling: CBS writes 3 where RIVM writes GM0003. An empty code is NA.
standard_code <- function(code) {
  code <- trimws(as.character(code))
  code[!is.na(code) & code == ""] <- NA
  digits <- !is.na(code) & grepl("^[0-9]+$", code)
  code[digits] <- sprintf("GM%04d", as.integer(code[digits]))
  code
}

#' Tell, by code, which municipalities have no inhabitants and which inhabitants have no report.
tell_what_is_missing <- function(reports, people) {
  unknown <- reports$code[!reports$in_rate]
  if (length(unknown)) {
    warning(length(unknown), " municipalities are not in the population table and are left out of the rates: ",
            paste(utils::head(unknown, 5), collapse = ", "), call. = FALSE)
  }
  silent <- setdiff(people$code[!is.na(people$inhabitants)], reports$code)
  if (length(silent) && nrow(reports)) {
    warning(length(silent), " municipalities of the population table have no report, so their inhabitants are in ",
            "no province: ", paste(utils::head(silent, 5), collapse = ", "), call. = FALSE)
  }
  missing <- sum(is.na(reports$admissions))
  if (missing) warning(missing, " reports of the last day give no admissions; counted as none.", call. = FALSE)
  unplaced <- sum(reports$admissions[reports$unplaced], na.rm = TRUE)
  message("Admissions with a province and no municipality count for their province (n = ", unplaced, ").")
}

#' Provinces by rate, with their 95 % limits and the country as a line.
province_ranking <- function(result, country) {
  title <- "Hospital admissions with COVID-19 by province"
  if (!nrow(result)) return(empty_plot(title))
  highlight <- highlight_of(result$label, better = "lower than the country", worse = "higher than the country",
                            too_few = c("too few to compare", "no inhabitants known"))
  ranking_plot(
    data.frame(unit = result$province, value = result$per_100k, lower = result$lower_95, upper = result$upper_95,
               highlight = highlight),
    title = title, subtitle = paste("All admissions up to", format(result$report_date[1], "%d-%m-%Y")),
    value_label = "Admissions per 100,000 inhabitants",
    reference = country, reference_label = paste("country", format(round(country, 1), nsmall = 1)),
    meanings = c(worse = "higher than the country", ordinary = "not different", better = "lower than the country"),
    caption = "Lines: 95 % confidence limits; colours by 99.8 % limits. Not adjusted for age."
  )
}
