/** A line cut to less than so many columns: one that wrapped could not be drawn over. */
export function fit(text: string, columns: number): string {
  const points = [...text];
  return points.length < columns ? text : `${points.slice(0, Math.max(1, columns - 2)).join("")}…`;
}
