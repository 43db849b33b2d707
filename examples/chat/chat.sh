while IFS= read -r event; do
    printf '{"at":%s,"event":%s}\n' "$EPOCHREALTIME" "$event"
done
