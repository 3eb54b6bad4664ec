#!/usr/bin/env bash
# The action's script: runs the gate with the inputs that action.yml puts into the environment.
set -euo pipefail

# 2 is what the gate exits with where it cannot be asked; 1 would say that a model became worse
stop() {
  printf 'Error: %s\n' "$1" >&2
  exit 2
}
refuse() {
  local name="${1,,}"
  stop "the input ${name//_/-} is not $2."
}
# an input that begins with a hyphen would be taken for an option, one that is misspelt for its default; a carriage
# return ends a line as well, and white space in front hides no hyphen
for input in INSTALL RESULT CONTRAST MARGIN ESTIMAND LEAST_SHARE AGAINST MUST_PASS JUNIT; do
  name="TALAN_$input"
  value="${!name:-}"
  while IFS= read -r line; do
    line="${line#"${line%%[![:space:]]*}"}"
    case "$line" in -*) refuse "$input" "a value: it begins with a hyphen (in front of a path, type ./)" ;; esac
  done <<<"${value//$'\r'/$'\n'}"
done
result="${TALAN_RESULT:-}"
[ -n "${result//[[:space:]]/}" ] || refuse result 'there: type "result:" and result.json, or the directory of a comparison'
for input in PER_CELL COMMENT; do
  name="TALAN_$input"
  case "${!name:-false}" in true | false) ;; *) refuse "$input" "true or false" ;; esac
done
case "${TALAN_INCONCLUSIVE:-fail}" in fail | pass) ;; *) refuse inconclusive "fail or pass" ;; esac

if [ -n "${TALAN_INSTALL:-}" ]; then
  python -m pip install --quiet -- "$TALAN_INSTALL" ||
    stop 'pip did not install what the input install names: type "install: talan-eval", or "" where it is there already.'
fi

summary="$(mktemp)" || stop "no temporary file can be made: free some space, or set TMPDIR to another directory."
trap 'rm -f "$summary"' EXIT
words=(gate "$result" --margin "${TALAN_MARGIN:-1.0}" --summary "$summary")
while IFS= read -r contrast; do
  [ -n "$contrast" ] && words+=(--contrast "$contrast")
done <<<"${TALAN_CONTRAST:-}"
[ "${TALAN_PER_CELL:-false}" = true ] && words+=(--per-cell)
[ -n "${TALAN_ESTIMAND:-}" ] && words+=(--estimand "$TALAN_ESTIMAND")
[ -n "${TALAN_LEAST_SHARE:-}" ] && words+=(--least-share "$TALAN_LEAST_SHARE")
[ -n "${TALAN_AGAINST:-}" ] && words+=(--against "$TALAN_AGAINST")
[ -n "${TALAN_MUST_PASS:-}" ] && words+=(--must-pass "$TALAN_MUST_PASS")
[ -n "${TALAN_JUNIT:-}" ] && words+=(--junit "$TALAN_JUNIT")

code=0
talan-eval "${words[@]}" || code=$?

# One comment per pull request, found again by its first line and edited in place. The comment is a courtesy: where it
# cannot be posted (the token of a fork may only read, there is no gh, GitHub answers with an error) the gate's answer
# stands, and the step summary has the same text.
warn() {
  printf '::warning title=talan-eval gate::%s\n' "The comment on the pull request was not posted: $1 The step summary has its text."
}

comment() {
  command -v gh >/dev/null || { warn "gh is not installed."; return 0; }
  local comments known body said
  comments="repos/${GITHUB_REPOSITORY:-}/issues/${TALAN_PULL_REQUEST}/comments"
  body="$(mktemp)"
  # GitHub takes 65,536 characters; bytes are at least as many, and iconv drops a character that the cut halves
  if [ "$(wc -c <"$summary")" -gt 65000 ]; then
    head -c 64000 "$summary" | iconv -c -f utf-8 -t utf-8 >"$body" || true
    printf '\n\nCut here: the step summary has the whole report.\n' >>"$body"
  else
    cat "$summary" >"$body"
  fi
  if ! known="$(gh api --paginate "$comments" --jq '.[] | select(.body | startswith("<!-- talan-eval gate -->")) | .id' 2>&1)"; then
    warn "$(tr '\r\n' '  ' <<<"$known" | head -c 300)"
    rm -f "$body"
    return 0
  fi
  known="$(sed -n 1p <<<"$known")"
  if [ -n "$known" ]; then
    said="$(gh api --method PATCH "repos/${GITHUB_REPOSITORY:-}/issues/comments/${known}" --field "body=@${body}" 2>&1 >/dev/null)" \
      || warn "$(tr '\r\n' '  ' <<<"$said" | head -c 300)"
  else
    said="$(gh api --method POST "$comments" --field "body=@${body}" 2>&1 >/dev/null)" \
      || warn "$(tr '\r\n' '  ' <<<"$said" | head -c 300)"
  fi
  rm -f "$body"
}

if [ "${TALAN_COMMENT:-false}" = true ] && [ -n "${TALAN_PULL_REQUEST:-}" ] && [ -s "$summary" ]; then
  comment || warn "an unexpected error."
fi

if [ "$code" -eq 3 ] && [ "${TALAN_INCONCLUSIVE:-fail}" = pass ]; then
  exit 0
fi
exit "$code"
