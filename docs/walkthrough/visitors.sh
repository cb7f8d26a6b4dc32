#!/bin/sh
# A hundred new visitors open a page, are given a sticky key, and look at one product: which build answered how many?
# usage: sh visitors.sh http://127.0.0.1:8000
set -eu
url=${1:?which server? for example http://127.0.0.1:8000}
jar=$(mktemp)
trap 'rm -f "$jar"' EXIT
visitor=0
while [ "$visitor" -lt 100 ]; do
    visitor=$((visitor + 1))
    : > "$jar"
    # Only a page that a browser navigates to hands out a key.
    curl -sS -c "$jar" -o /dev/null -H 'Sec-Fetch-Mode: navigate' -H 'Accept: text/html' "$url/login"
    curl -sS -b "$jar" -o /dev/null -D - "$url/api/products/17"
done | tr -d '\r' | sed -n 's/^[Xx]-[Bb]uild: //p' | sort | uniq -c
