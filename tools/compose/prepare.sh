#!/bin/sh
# Before the processes of docker-compose.yml start: the shop is seeded once, the services' tables and the flags are made,
# every change of the shop is noted from then on, and its rows are brought over.
set -eu
if ! said=$(python -m legacy_monolith seed --products 500 --customers 200 --orders 300 2>&1); then
    case $said in
        *"already has products"*) said="the shop was seeded before" ;;
        *) echo "$said" >&2 && exit 1 ;;
    esac
fi
echo "$said"
python -m extracted.catalog create-schema --database "$CATALOG_DATABASE"
python -m extracted.orders create-schema --database "$ORDERS_DATABASE"
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    if strangler flags init; then
        for slice in catalog orders; do
            strangler capture install "$slice"
            strangler backfill "$slice"
        done
        exit 0
    fi
    echo "the flag server is not ready ($attempt of 10)"
    sleep 3
done
exit 1
