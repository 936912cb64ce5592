# Bakes the bricks that every floor is built of.
for batch in 1 2 3; do
  echo "baking bricks, batch $batch of 3"
  sleep 0.3
done
mkdir "$out"
echo '#' > "$out/brick"
