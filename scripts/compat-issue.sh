#!/bin/sh
# sh scripts/compat-issue.sh TITLE FILE: opens an issue that shows the file, unless an open one has this title. For CI; needs gh.
set -eu
title=$1 file=$2
if gh issue list --state open --limit 200 --json title --jq '.[].title' | grep -qxF "$title"; then
  echo "there is an open issue already: $title"
  exit 0
fi
{
  echo 'What scripts/compat.ts said:'
  echo
  echo '```'
  # An issue holds 65536 characters.
  head -c 60000 "$file"
  echo '```'
} | gh issue create --title "$title" --body-file -
