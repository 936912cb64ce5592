# One floor: a line of words between walls of bricks.
brick=$(cat "$bricks/brick")
echo "laying the floor of the $floor"
sleep 0.4
echo "raising the walls of the $floor"
sleep 0.4
words=$(cat "$words")
mkdir "$out"
printf '  %s  %-28s  %s\n' "$brick" "$words" "$brick" > "$out/floor"
