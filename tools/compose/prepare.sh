#!/bin/sh
# Before the processes of docker-compose.yml start: the shop is seeded once, its catalog copied, the flags made.
set -eu
if ! said=$(python -m legacy_monolith seed --products 500 --customers 200 --orders 300 2>&1); then
    case $said in
        *"already has products"*) said="the shop was seeded before" ;;
        *) echo "$said" >&2 && exit 1 ;;
    esac
fi
echo "$said"
python -m extracted.catalog import --source "$SHOP_DATABASE" --database "$CATALOG_DATABASE"
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    strangler flags init && exit 0
    echo "the flag server is not ready ($attempt of 10)"
    sleep 3
done
exit 1
