#!/bin/sh
# A reference for CSM_USAGE_CMD: prints what accounts have used, in the form that csm reads.
#   CSM_USAGE_CMD='COLLECT_URL=https://hub.example/usage sh usage-collector.sh'
# Three ways, the first that is set counts:
#   COLLECT_URL    an endpoint that answers with such a blob already (COLLECT_TOKEN is sent as bearer token)
#   COLLECT_FILE   a file that something else keeps
#   COLLECT_FACTS  a program that is called with the name of a profile and prints
#                  `<5-hour percent> <its reset> <weekly percent> <its reset>`; a dash stands for what is unknown.
#                  A reset is ISO 8601, epoch seconds or `9pm`; it holds no blank.
# Without any of them: what csm itself knows here.
set -eu

if [ -n "${COLLECT_URL:-}" ]; then
  # The token goes through stdin, where no process list shows it.
  if [ -n "${COLLECT_TOKEN:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$COLLECT_TOKEN" | exec curl -fsS --max-time 8 --max-filesize 4000000 -K - "$COLLECT_URL"
  fi
  exec curl -fsS --max-time 8 --max-filesize 4000000 "$COLLECT_URL"
fi

if [ -n "${COLLECT_FILE:-}" ]; then
  exec cat -- "$COLLECT_FILE"
fi

if [ -z "${COLLECT_FACTS:-}" ]; then
  exec csm hub serve --once
fi

# The registry is a flat JSON object of names and folders; names have no quotes.
registry="${COLLECT_REGISTRY:-$HOME/.config/claude-as/profiles.json}"
names=$(tr -d '\n' <"$registry" | grep -o '"[A-Za-z0-9._-]*"[[:space:]]*:' | tr -d '": \t')

# part NAME PERCENT RESET: one window, or null when the percent is no number
part() {
  case "$2" in
    '' | *[!0-9.]*) printf '"%s":null' "$1" ;;
    *)
      case "$3" in
        '' | - | *[!A-Za-z0-9:.+-]*) printf '"%s":{"pct":%s,"resets":null}' "$1" "$2" ;;
        *) printf '"%s":{"pct":%s,"resets":"%s"}' "$1" "$2" "$3" ;;
      esac
      ;;
  esac
}

profiles='' errors=''
for name in $names; do
  if facts=$("$COLLECT_FACTS" "$name" 2>/dev/null) && [ -n "$facts" ]; then
    # shellcheck disable=SC2086 # four words
    set -f && set -- $facts && set +f
    entry=$(printf '"%s":{%s,%s}' "$name" "$(part session "${1:-}" "${2:-}")" "$(part week_all "${3:-}" "${4:-}")")
    profiles="$profiles${profiles:+,}$entry"
  else
    errors="$errors${errors:+,}\"$name\":\"no facts\""
  fi
done
printf '{"captured_at":"%s","profiles":{%s},"errors":{%s}}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$profiles" "$errors"
