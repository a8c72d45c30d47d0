# What a script needs to be a task of Afterglow, without any marker to print.
#
#   source(Sys.getenv("AFTERGLOW_R"))
#   given <- read_input()
#   progress(0.5)
#   write_result(list(flux = 3.5), warning = "saturated")
#
# R 3.5 or newer, nothing but base. Afterglow sets AFTERGLOW_R for the scripts that it starts.

afterglow <- local({
  # Gives what Afterglow wrote to standard input: the object or the arguments, the results of tasks before this one, the
  # attempt. Objects become named lists, arrays of like values vectors, other arrays lists, null NULL.
  read_input <- function() {
    input <- file("stdin", "rb")
    on.exit(close(input))
    text <- paste(readLines(input, warn = FALSE, encoding = "UTF-8"), collapse = "\n")
    Encoding(text) <- "UTF-8"
    if (!nzchar(trimws(text))) return(structure(list(), names = character(0)))
    from_json(text)
  }

  # Says how far the script is, from 0 to 1.
  progress <- function(fraction) {
    if (!is.numeric(fraction) || length(fraction) != 1 || is.na(fraction) || fraction < 0 || fraction > 1) stop("progress should be a number from 0 to 1")
    say(sprintf("== PROGRESS %.4f ==", fraction))
  }

  # Says what came of the work; of several, the last one counts.
  #
  # result: a named list. A vector of one value is written as that value, a longer one and one in I() as an array, a data
  #   frame as an array of its rows, NA as null. NaN and Inf are errors: JSON has no such numbers.
  # status: "success", or a status of the fixtures, e.g. "no host".
  # warning: a caveat for people. cost: what the attempt cost, in the unit of your accounts.
  write_result <- function(result = list(), status = "success", warning = NULL, cost = NULL) {
    if (!is.list(result) || (length(result) > 0 && (is.null(names(result)) || any(names(result) == "")))) stop("result should be a list in which everything has a name")
    result <- as.list(result)
    result$status <- status
    result$warning <- warning
    result$cost <- cost
    say(paste("== RESULT START ==", to_json(result), "== RESULT END ==", sep = "\n"))
  }

  # Ends the script because of what another attempt may not meet, a service that is away for one.
  try_again <- function(reason) {
    message(reason)
    quit(save = "no", status = 75)
  }

  say <- function(text) {
    cat(text, "\n", sep = "")
    flush(stdout())
  }

  # ---- JSON, as far as it is needed here; everything written is ASCII, whatever the encoding of standard output is.

  to_json <- function(value, place = "result") {
    if (is.null(value)) return("null")
    if (inherits(value, "POSIXt")) value <- format(value, "%Y-%m-%dT%H:%M:%SZ", tz = "UTC")
    if (is.factor(value) || inherits(value, "Date")) value <- as.character(value)
    if (is.data.frame(value)) value <- lapply(seq_len(nrow(value)), function(row) as.list(value[row, , drop = FALSE]))
    if (is.list(value) && !is.null(names(value))) {
      members <- vapply(seq_along(value), function(at) {
        name <- names(value)[[at]]
        paste0(quoted(name), ":", to_json(value[[at]], paste0(place, "$", name)))
      }, "")
      return(paste0("{", paste(members, collapse = ","), "}"))
    }
    if (is.list(value)) {
      members <- vapply(seq_along(value), function(at) to_json(value[[at]], paste0(place, "[[", at, "]]")), "")
      return(paste0("[", paste(members, collapse = ","), "]"))
    }
    if (!is.character(value) && !is.numeric(value) && !is.logical(value)) stop(place, " is of class ", class(value)[[1]], ", which JSON does not have")
    members <- vapply(seq_along(value), function(at) scalar(value[[at]], place), "")
    if (length(members) == 1 && !inherits(value, "AsIs")) members else paste0("[", paste(members, collapse = ","), "]")
  }

  scalar <- function(value, place) {
    if (is.numeric(value) && (is.nan(value) || is.infinite(value))) stop(place, " is ", value, ", which JSON does not have; give NA")
    if (is.na(value)) return("null")
    if (is.character(value)) return(quoted(value))
    if (is.logical(value)) return(if (value) "true" else "false")
    short <- sprintf("%.15g", value)
    if (as.numeric(short) == value) short else sprintf("%.17g", value)
  }

  quoted <- function(text) {
    codes <- utf8ToInt(enc2utf8(text))
    named <- c("8" = "\\b", "9" = "\\t", "10" = "\\n", "12" = "\\f", "13" = "\\r", "34" = "\\\"", "92" = "\\\\")
    characters <- vapply(codes, function(code) {
      known <- named[as.character(code)]
      if (!is.na(known)) return(unname(known))
      if (code >= 32 && code < 127) return(intToUtf8(code))
      if (code < 65536) return(sprintf("\\u%04x", code))
      rest <- code - 65536
      sprintf("\\u%04x\\u%04x", 55296 + rest %/% 1024, 56320 + rest %% 1024)
    }, "")
    paste0("\"", paste(characters, collapse = ""), "\"")
  }

  TOKEN <- "\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9][0-9.eE+-]*|true|false|null|[{}\\[\\]:,]"

  from_json <- function(text) {
    tokens <- regmatches(text, gregexpr(TOKEN, text, perl = TRUE))[[1]]
    at <- 0L
    take <- function() {
      at <<- at + 1L
      if (at > length(tokens)) stop("the input ends too early")
      tokens[[at]]
    }
    value <- function(token = take()) {
      first <- substr(token, 1, 1)
      if (first == "{") return(object())
      if (first == "[") return(array())
      if (first == "\"") return(unquoted(token))
      if (token == "null") return(NULL)
      if (token == "true" || token == "false") return(token == "true")
      as.numeric(token)
    }
    object <- function() {
      found <- structure(list(), names = character(0))
      token <- take()
      while (token != "}") {
        if (token == ",") token <- take()
        name <- unquoted(token)
        take()
        item <- value()
        found <- c(found, structure(list(item), names = name))
        token <- take()
      }
      found
    }
    array <- function() {
      found <- list()
      token <- take()
      while (token != "]") {
        if (token == ",") token <- take()
        found[length(found) + 1L] <- list(value(token))
        token <- take()
      }
      alike <- length(found) > 0 && all(vapply(found, function(item) is.atomic(item) && length(item) == 1, TRUE)) && length(unique(vapply(found, typeof, ""))) == 1
      if (alike) unlist(found) else found
    }
    value()
  }

  unquoted <- function(token) {
    inner <- substr(token, 2, nchar(token) - 1)
    if (!grepl("\\", inner, fixed = TRUE)) return(inner)
    pieces <- regmatches(inner, gregexpr("(?:\\\\u[0-9a-fA-F]{4})+|\\\\.|[^\\\\]+", inner, perl = TRUE))[[1]]
    named <- c(b = "\b", f = "\f", n = "\n", r = "\r", t = "\t")
    paste(vapply(pieces, function(piece) {
      if (substr(piece, 1, 1) != "\\") return(piece)
      second <- substr(piece, 2, 2)
      if (second != "u") return(if (second %in% names(named)) unname(named[second]) else second)
      utf16(strtoi(regmatches(piece, gregexpr("[0-9a-fA-F]{4}", piece))[[1]], 16L))
    }, ""), collapse = "")
  }

  # Pairs of surrogates are one character.
  utf16 <- function(units) {
    codes <- integer(0)
    at <- 1L
    while (at <= length(units)) {
      unit <- units[[at]]
      if (unit >= 55296 && unit < 56320 && at < length(units)) {
        codes <- c(codes, 65536L + (unit - 55296L) * 1024L + (units[[at + 1L]] - 56320L))
        at <- at + 2L
      } else {
        codes <- c(codes, unit)
        at <- at + 1L
      }
    }
    intToUtf8(codes)
  }

  list(read_input = read_input, progress = progress, write_result = write_result, try_again = try_again)
})

read_input <- afterglow$read_input
progress <- afterglow$progress
write_result <- afterglow$write_result
try_again <- afterglow$try_again
