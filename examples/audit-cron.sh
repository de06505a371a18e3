#!/bin/sh
# Every night: who would be let in, and who no longer; mails what changed since yesterday.
#   17 3 * * * /usr/local/bin/audit-cron.sh /etc/headscale/config.yaml /var/lib/people.jsonl /var/lib/audit
set -eu
config=$1 people=$2 folder=$3
mkdir -p "$folder"
hsoidc audit "$people" --config "$config" --userinfo none --format csv --output "$folder/today.csv"
if [ -f "$folder/yesterday.csv" ]; then
    diff "$folder/yesterday.csv" "$folder/today.csv" || true
fi
mv "$folder/today.csv" "$folder/yesterday.csv"
