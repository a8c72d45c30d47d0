# The mean of the median prices of every region, in R.
source(Sys.getenv("AFTERGLOW_R"))

sales <- read.csv(commandArgs(trailingOnly = TRUE)[1], comment.char = "#")
means <- aggregate(median_price ~ region, data = sales, FUN = mean)
write.csv(means, "work/summary.csv", row.names = FALSE)
write_result(list(output_url = "work/summary.csv", row_count = nrow(means)))
