"""Mistakes in a header: name -> the header, and what is said of it. Python's reader and R's are both held to it."""

from __future__ import annotations

FULL = """
    #' Hospital admissions by province
    #'
    #' Counted over all dates up to `until`.
    #' Admissions without a province are left out.
    #'
    #' @input admissions   report_date <date>, province <text>,
    #'                     admissions <integer>
    #' @input earlier from indicators/admissions_last_year  `province name` <text>, per_100k <number>
    #' @param until        <date> last report date counted, default 2020-09-14
    #' @param label        <text> shown in the plot
    #' @output province <text> where the patient lives, not where the hospital is
    #' @output admissions <integer 0..>, share <number 0..1> of the whole country,
    #'   `change (%)` <number -100..>
    #' @plot  ranking      Provinces by rate
    #' @unit per 100,000 inhabitants
    #' @direction higher is worse
    #' @version 2.1
    #' @owner team:surveillance
    #' @minimum_n 10 of admissions
    #' @cases died in hospital, lived
    #' @amount expected sum of chance 0..1 in steps of 0.5 deaths expected
    #' @amount stay median of nights 0..60 in steps of 1
    #' @slices sex F | M, age under 60 | 60 to 79
    #'   | 80 and over
    #' @slices urgent yes | no
    #' @since 2026-03-01 new triage
    #' @since 2025-11-15 second scanner
    #' @case_mix age and urgency
    #' @grain quarter by organisation
    #' @settles 8 weeks
    #' @output report_date <date>
    #' @figure value admissions, unit province, time report_date, size admissions, reference 1.5, missing lived
    #' @target 0.95 the Constitution
    library(dplyr)
    source("../lib/rates.R") # and not source(this)

    helper <- function(x, y = c("a", "b)")) x

    #' @input ignored because it is not in the first block
    admissions_by_province <- function(admissions, # a comment, with (brackets
                                       earlier, params = list(until = "2020-01-01")) {
      helper("source('not/this.R')")
    }

    admissions_by_province_figures <- function(atoms) atoms
"""
SHORT = "#' T\n#' @input a x <text>\n#' @output x <text>\n"
LEVELS = "name two to 6 values that differ, as in: sex F | M, age under 60 | 60 to 79 | 80 and over"
NO_LEVEL = "cannot be a value; write at most 40 letters, digits and spaces (a missing value is NA)"

# Header lines and code, and what is said of them. Each is also read by R, which must say the same.
MISTAKES: dict[str, tuple[str, str]] = {
    "unknown_tag": (
        "#' T\n#' @inputs a x <text>\n",
        "unknown_tag.R line 2: unknown tag @inputs; the tags are @input, @param, @output, @plot, "
        "@cases, @amount, @slices, @since, @unit, @direction, @version, @owner, @minimum_n, @grain, @settles, @publish, @figure, @target, "
        "@case_mix",
    ),
    "empty_tag": ("#' T\n#' @input\n", "empty_tag.R line 2: @input is empty"),
    "bad_type": (
        "#' T\n#' @input a x <string>\n",
        "bad_type.R line 2: unknown type <string>; the types are text, integer, number, flag, date, time",
    ),
    "no_type": (
        "#' T\n#' @input a x, y <text>\n",
        'no_type.R line 2: @input: cannot read "x"; write: column <type>, column <type>',
    ),
    "no_type_later": (
        "#' T\n#' @input a x <text>, y, z <text>\n",
        'no_type_later.R line 2: @input: cannot read "y"; write: column <type>, column <type>',
    ),
    "only_names": (
        "#' T\n#' @output x, y\n",
        'only_names.R line 2: @output: cannot read "x, y"; write: column <type>, column <type>',
    ),
    "note_on_input": (
        "#' T\n#' @input a x <text> the province\n",
        'note_on_input.R line 2: @input: cannot read "the province"; write: column <type>, column <type>',
    ),
    "no_columns": (
        "#' T\n#' @input a\n",
        'no_columns.R line 2: @input "a" names no columns; write: @input a column <type>, ...',
    ),
    "bad_source": (
        "#' T\n#' @input a from elsewhere x <text>\n",
        'bad_source.R line 2: cannot read "from elsewhere"; write layer/table, as in: from indicators/other',
    ),
    "bad_name": (
        "#' T\n#' @input Patients x <text>\n",
        'bad_name.R line 2: @input "Patients": a name has small letters, digits and _, and starts with a letter',
    ),
    "input_params": (
        "#' T\n#' @input params x <text>\n",
        'input_params.R line 2: @input cannot be named "params": that is the argument for parameters',
    ),
    "plot_data": (
        f"{SHORT}#' @plot data The data\n",
        'plot_data.R line 4: @plot cannot be named "data": that is the name of the table',
    ),
    "twice_input": (f"{SHORT}#' @input a y <text>\n", 'twice_input.R line 4: @input "a" is declared twice'),
    "twice_column": (
        "#' T\n#' @input a x <text>, x <date>\n",
        'twice_column.R line 2: column "x" is declared twice',
    ),
    "twice_output": (f"{SHORT}#' @output x <text>\n", 'twice_output.R line 4: column "x" is declared twice'),
    "twice_unit": (f"{SHORT}#' @unit a\n#' @unit b\n", "twice_unit.R line 5: @unit is declared twice"),
    "bad_param": (
        f"{SHORT}#' @param until last day\n",
        "bad_param.R line 4: cannot read @param; write: @param name <type> what it does, default value",
    ),
    "bad_default": (
        f"{SHORT}#' @param until <date> last day, default 1-1-2020\n",
        'bad_default.R line 4: default of @param until: "1-1-2020" is not a date: write it as 2020-03-01',
    ),
    "bad_integer": (
        f"{SHORT}#' @param n <integer> how many, default 1.5\n",
        'bad_integer.R line 4: default of @param n: "1.5" is not a whole number such as 5',
    ),
    "bad_flag": (
        f"{SHORT}#' @param n <flag> whether, default yes\n",
        'bad_flag.R line 4: default of @param n: "yes" is not a flag: write TRUE or FALSE',
    ),
    "bad_direction": (
        f"{SHORT}#' @direction up\n",
        'bad_direction.R line 4: @direction is "up"; write one of: higher is better, higher is worse, neutral',
    ),
    "bad_owner": (
        f"{SHORT}#' @owner Anna Jansen\n",
        'bad_owner.R line 4: @owner is "Anna Jansen"; write team:name or an e-mail address',
    ),
    "bad_minimum": (
        f"{SHORT}#' @minimum_n ten\n",
        'bad_minimum.R line 4: @minimum_n is "ten"; write a number and the column that it is of: 20 of stays',
    ),
    "minimum_of_nothing": (
        f"{SHORT}#' @minimum_n 10 of x\n",
        'minimum_of_nothing.R: @minimum_n: "x" is no <integer> column of @output',
    ),
    "bad_amount": (
        f"{SHORT}#' @amount e total of p 0..1\n",
        "bad_amount.R line 4: cannot read @amount; write: @amount name sum of column 0..1 in steps of 0.5",
    ),
    "fine_steps": (
        f"{SHORT}#' @amount e sum of p 0..1 in steps of 0.25\n",
        'fine_steps.R line 4: @amount "e": a step must be at least half of what one case can bring (0.5)',
    ),
    "falling_limits": (
        f"{SHORT}#' @amount e mean of p 1..0 in steps of 0.5\n",
        'falling_limits.R line 4: @amount "e": the limits must rise, and the step be above 0',
    ),
    "bad_grain": (
        f"{SHORT}#' @grain day\n",
        'bad_grain.R line 4: @grain is "day"; write week, month, quarter or year, alone or with: by organisation',
    ),
    "bad_settles": (
        f"{SHORT}#' @settles soon\n",
        'bad_settles.R line 4: @settles is "soon"; write how long after its end a period is complete: 8 weeks',
    ),
    "bad_figure": (
        f"{SHORT}#' @figure size n\n",
        'bad_figure.R line 4: @figure is "size n"; write which column is what: value ratio, unit organisation, size expected, '
        "reference 1, missing left_out",
    ),
    "figure_of_text": (
        f"{SHORT}#' @figure value x\n",
        'figure_of_text.R: @figure value: "x" is no <number> column of @output',
    ),
    "figure_of_nothing": (
        f"{SHORT}#' @output n <number>\n#' @figure value n, unit y\n",
        'figure_of_nothing.R: @figure unit: "y" is no <text> column of @output',
    ),
    "bad_reference": (
        f"{SHORT}#' @output n <number>\n#' @figure value n, unit x, reference 1.2.3\n",
        'bad_reference.R: @figure reference: "1.2.3" is no <number> column of @output',
    ),
    "nothing_missing": (
        f"{SHORT}#' @output n <number>\n#' @figure value n, missing left_out\n",
        'nothing_missing.R: @figure missing: "left_out" is no outcome of @cases',
    ),
    "bad_target": (
        f"{SHORT}#' @target high\n",
        'bad_target.R line 4: @target is "high"; write a number and who asks for it: 0.95 NHS Constitution',
    ),
    "no_reason": (
        f"{SHORT}#' @publish public\n",
        'no_reason.R line 4: @publish is "public"; write public, and why the table may be published as it is',
    ),
    "taken_outcome": (
        f"{SHORT}#' @cases died, record\n",
        'taken_outcome.R line 4: @cases cannot be named "record": that is a column of the cases',
    ),
    "no_grain": (
        f"{SHORT}#' @cases died, lived\n",
        "no_grain.R: @cases, @grain and @settles go together: write all three, or none",
    ),
    "amount_alone": (
        f"{SHORT}#' @amount e sum of p 0..1 in steps of 0.5\n",
        "amount_alone.R: @amount is of cases: add a line @cases",
    ),
    "slices_alone": (f"{SHORT}#' @slices sex F | M\n", "slices_alone.R: @slices is of cases: add a line @cases"),
    **{
        name: (
            f"{SHORT}#' @cases died, lived\n#' @grain year\n#' @settles 3 days\n#' @slices {text}\n",
            f"{name}.R line 7: @slices{'' if said[0] == ':' else ' '}{said}",
        )
        for name, text, said in (
            ("one_level", "sex F", f'"sex": {LEVELS}'),
            ("no_level", "sex", f'"sex": {LEVELS}'),
            ("level_twice", "sex F | M | F", f'"sex": {LEVELS}'),
            ("seven_levels", "age a | b | c | d | e | f | g", f'"age": {LEVELS}'),
            ("four_slices", "a x | y, b x | y, c x | y, d x | y", ": at most 3"),
            ("slice_twice", "a x | y, a x | z", '"a" is declared twice'),
            ("slice_of_record", "record x | y", 'cannot be named "record": that is a column of the cases'),
            ("bad_slice", "Age x | y", '"Age": a name has small letters, digits and _, and starts with a letter'),
            ("empty_level", "a x |", f'"a": "" {NO_LEVEL}'),
            ("level_of_marks", "a x | <b>", f'"a": "<b>" {NO_LEVEL}'),
            ("level_of_none", "a x | not known", f'"a": "not known" {NO_LEVEL}'),
        )
    },
    "slice_of_amount": (
        f"{SHORT}#' @cases died, lived\n#' @grain year\n#' @settles 3 days\n#' @amount e sum of p 0..1 in steps of 0.5\n#' @slices p x | y\n",
        'slice_of_amount.R: @slices "p" is the column of an @amount, too',
    ),
    **{
        name: (
            f"{SHORT}#' @since {text}\n",
            f'{name}.R line 4: @since is "{text}"; write a day and at most 60 letters on what changed: 2026-03-01 new triage',
        )
        for name, text in (
            ("since_never", "2026-02-30 new triage"),
            ("since_then", "2026-3-1 new triage"),
            ("since_why", "2026-03-01"),
            ("since_long", f"2026-03-01 {'x' * 61}"),
        )
    },
    "since_twice": (
        f"{SHORT}#' @since 2026-03-01 a\n#' @since 2026-03-01 b\n",
        "since_twice.R line 5: @since 2026-03-01 is declared twice",
    ),
    "since_without_time": (
        f"{SHORT}#' @since 2026-03-01 a\n",
        "since_without_time.R: @since is drawn over time: name the column of the period in @figure ... time",
    ),
    "cases_and_public": (
        f"{SHORT}#' @cases died, lived\n#' @grain year\n#' @settles 3 days\n#' @publish public everybody may have it\n",
        "cases_and_public.R: @publish public is for tables that are published as they are: leave out @cases",
    ),
    "no_figures": (
        f"{SHORT}#' @cases died, lived\n#' @grain year\n#' @settles 3 days\nno_figures <- function(a) a\n",
        "no_figures.R: a script with @cases also defines no_figures_figures(atoms), which makes table and plots of their counts",
    ),
    "bad_limits": (
        "#' T\n#' @output x <number 0-1>\n",
        "bad_limits.R line 2: cannot read <number 0-1>; write <number>, or <number 0..100> for the values allowed",
    ),
    "text_limits": (
        "#' T\n#' @output x <text 0..1>\n",
        "text_limits.R line 2: <text 0..1>: only an integer or number column can have limits",
    ),
    "prose_after": (
        f"{SHORT}#'\n#' It counts.\n",
        "prose_after.R line 5: text after the tags; write the description above the first tag",
    ),
    "no_title": (
        "#' @input a x <text>\n#' @output x <text>\nno_title <- function(a) a\n",
        "no_title.R line 1: no title; begin the file with a line such as #' Admissions by province",
    ),
    "no_input": (
        "#' T\n#' @output x <text>\n",
        "no_input.R: no @input line; write: #' @input table column <type>, column <type>",
    ),
    "no_output": (
        "#' T\n#' @input a x <text>\n",
        "no_output.R: no @output line; write: #' @output column <type>, column <type>",
    ),
    "no_header": (
        "no_header <- function(a) a\n",
        "no_header.R line 1: no title; begin the file with a line such as #' Admissions by province",
    ),
    "other_function": (
        f"{SHORT}counts <- function(a) a\nsums = function(b) b\n",
        "other_function.R: the file must define a function named other_function (found: counts, sums)",
    ),
    "no_function": (SHORT, "no_function.R: the file must define a function named no_function (found: none)"),
    "other_arguments": (
        f"{SHORT}\n\nother_arguments <- function(admissions) admissions\n",
        "other_arguments.R line 6: other_arguments(admissions): the arguments must be the inputs of the header: "
        "other_arguments(a)",
    ),
    "lacks_params": (
        f"{SHORT}#' @param n <integer> how many, default 5\nlacks_params <- function(a) a\n",
        "lacks_params.R line 5: lacks_params(a): the arguments must be the inputs of the header: "
        "lacks_params(a, params)",
    ),
    "needless_params": (
        f"{SHORT}needless_params <- function(a, params) a\n",
        "needless_params.R line 4: needless_params(a, params): the arguments must be the inputs of the header: "
        "needless_params(a)",
    ),
    "variable_source": (
        f'{SHORT}path <- "../lib/rates.R"\nsource(path)\nvariable_source <- function(a) a\n',
        'variable_source.R line 5: source() must be given its path in quotes, such as source("../lib/rates.R"), '
        "so that a change in that file is noticed",
    ),
    "built_source": (
        f'{SHORT}source(file.path("..", "lib", "rates.R"))\nbuilt_source <- function(a) a\n',
        'built_source.R line 4: source() must be given its path in quotes, such as source("../lib/rates.R"), '
        "so that a change in that file is noticed",
    ),
    "absent_source": (
        f'{SHORT}source("../lib/absent.R")\nabsent_source <- function(a) a\n',
        'absent_source.R line 4: source("../lib/absent.R"): there is no such file; the path starts at absent_source.R',
    ),
    "outside_source": (
        f'{SHORT}source("../../outside.R")\noutside_source <- function(a) a\n',
        'outside_source.R line 4: source("../../outside.R") lies outside r_scripts/; keep helpers in r_scripts/lib',
    ),
    "Capital": (
        f"{SHORT}Capital <- function(a) a\n",
        'Capital.R: "Capital": a file name has small letters, digits and _, and starts with a letter',
    ),
}
