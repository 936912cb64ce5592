# Puts the floors on each other, and writes down how it was done.
mkdir "$out" "$plan"
echo '        .----------------.' > "$out/tower.txt"
for floor in $floors; do
  echo "setting $floor"
  cat "$floor/floor" >> "$out/tower.txt"
  echo "$floor" >> "$plan/floors.txt"
  sleep 0.3
done
printf '  #  %-28s  #\n' "$motto" >> "$out/tower.txt"
echo '  ##################################' >> "$out/tower.txt"
echo "the tower stands"
