#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# cron-parser 5.10.6 with luxon 3.7.2 (npm), Node.js 20.
#
# Guess: `0 * * * *` on Lord Howe Island, on the day on which the clocks go back by half an hour, is
#        due at 14:00 and at 15:30 UTC: each has a local time whose minute is 0.
# Seen:  it is due at 14:00. Asked for the next time, cron-parser raises an error, that its limit of
#        attempts is exceeded, and does so again each time that it is asked.
source "$(dirname "$0")/common.sh"
needs node npm
timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts \
  cron-parser@5.10.6 luxon@3.7.2 >/dev/null 2>&1 || not_tried "npm cannot fetch cron-parser"
cat >due.cjs <<'END'
const { CronExpressionParser } = require("cron-parser");
const due = CronExpressionParser.parse("0 * * * *",
  { tz: "Australia/Lord_Howe", currentDate: new Date("2026-04-04T13:30:00Z") });
const seen = [];
for (let i = 0; i < 3; ++i) {
  try { seen.push(due.next().toDate().toISOString().slice(11, 16)); }
  catch (error) { seen.push(/limit exceeded/.test(error.message) ? "an error" : error.message); }
}
console.log(seen.join(", "));
END
conclude "$(timeout 20 node due.cjs)" "14:00, an error, an error"
