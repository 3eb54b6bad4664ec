#!/usr/bin/env bash
# The action's script: runs the gate with the inputs that action.yml puts into the environment.
set -euo pipefail

refuse() {
  printf 'Error: the input %s is not %s.\n' "$1" "$2" >&2
  exit 2
}
# an input that begins with a hyphen would be taken for an option, one that is misspelt for its default
for input in INSTALL RESULT CONTRAST MARGIN AGAINST MUST_PASS JUNIT; do
  name="TALAN_$input"
  while IFS= read -r line; do
    case "$line" in -*) refuse "${input,,}" "a value: it begins with a hyphen" ;; esac
  done <<<"${!name:-}"
done
for input in PER_CELL COMMENT; do
  name="TALAN_$input"
  case "${!name:-false}" in true | false) ;; *) refuse "${input,,}" "true or false" ;; esac
done
case "${TALAN_INCONCLUSIVE:-fail}" in fail | pass) ;; *) refuse inconclusive "fail or pass" ;; esac

if [ -n "${TALAN_INSTALL:-}" ]; then
  python -m pip install --quiet -- "$TALAN_INSTALL"
fi

summary="$(mktemp)"
trap 'rm -f "$summary"' EXIT
words=(gate "${TALAN_RESULT:?name the result: input "result"}" --margin "${TALAN_MARGIN:-1.0}" --summary "$summary")
while IFS= read -r contrast; do
  [ -n "$contrast" ] && words+=(--contrast "$contrast")
done <<<"${TALAN_CONTRAST:-}"
[ "${TALAN_PER_CELL:-false}" = true ] && words+=(--per-cell)
[ -n "${TALAN_AGAINST:-}" ] && words+=(--against "$TALAN_AGAINST")
[ -n "${TALAN_MUST_PASS:-}" ] && words+=(--must-pass "$TALAN_MUST_PASS")
[ -n "${TALAN_JUNIT:-}" ] && words+=(--junit "$TALAN_JUNIT")

code=0
talan-eval "${words[@]}" || code=$?

# one comment per pull request, found again by its first line and edited in place
if [ "${TALAN_COMMENT:-false}" = true ] && [ -n "${TALAN_PULL_REQUEST:-}" ] && [ -s "$summary" ]; then
  comments="repos/${GITHUB_REPOSITORY:?}/issues/${TALAN_PULL_REQUEST}/comments"
  known="$(gh api --paginate "$comments" --jq '.[] | select(.body | startswith("<!-- talan-eval gate -->")) | .id' | head -n 1)"
  if [ -n "$known" ]; then
    gh api --method PATCH "repos/${GITHUB_REPOSITORY}/issues/comments/${known}" --field "body=@${summary}" >/dev/null
  else
    gh api --method POST "$comments" --field "body=@${summary}" >/dev/null
  fi
fi

if [ "$code" -eq 3 ] && [ "${TALAN_INCONCLUSIVE:-fail}" = pass ]; then
  exit 0
fi
exit "$code"
