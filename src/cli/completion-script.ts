/** What a completion script knows of a command. */
export interface CompletionCommandSpec {
  readonly words: readonly string[];
  readonly flags: readonly string[];
}

type Specs = readonly CompletionCommandSpec[];

/** A script for bash. */
export function bashCompletion(specs: Specs): string {
  return `# drv-thru completions for bash
_drv_thru() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" line="\${COMP_WORDS[*]:1:COMP_CWORD-1}" words=
  case "$line" in
${specs.map(s => `    ${typed(s)}) words="${[...s.flags, "--help"].join(" ")}" ;;`).join("\n")}
${groups(specs)
  .map(([noun, verbs]) => `    "${noun}") words="${verbs.join(" ")}" ;;`)
  .join("\n")}
    "") words="${firstWords(specs).join(" ")}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _drv_thru drv-thru
`;
}

/** A script for zsh. */
export function zshCompletion(specs: Specs): string {
  return `#compdef drv-thru
_drv_thru() {
  local line="\${words[2,CURRENT-1]}"
  case "$line" in
${specs.map(s => `    ${typed(s)}) compadd -- ${[...s.flags, "--help"].join(" ")}; _files ;;`).join("\n")}
${groups(specs)
  .map(([noun, verbs]) => `    "${noun}") compadd -- ${verbs.join(" ")} ;;`)
  .join("\n")}
    *) compadd -- ${firstWords(specs).join(" ")} ;;
  esac
}
_drv_thru "$@"
`;
}

/** A script for fish. */
export function fishCompletion(specs: Specs): string {
  const lines = ["# drv-thru completions for fish"];
  const top = firstWords(specs);
  const noneYet = `not __fish_seen_subcommand_from ${top.join(" ")}`;
  for (const word of top) lines.push(`complete -c drv-thru -n '${noneYet}' -f -a ${word}`);
  for (const [noun, verbs] of groups(specs)) {
    const condition = `__fish_seen_subcommand_from ${noun}; and not __fish_seen_subcommand_from ${verbs.join(" ")}`;
    lines.push(`complete -c drv-thru -n '${condition}' -f -a '${verbs.join(" ")}'`);
  }
  for (const spec of specs) {
    const condition = spec.words.map(word => `__fish_seen_subcommand_from ${word}`).join("; and ");
    for (const flag of spec.flags) lines.push(`complete -c drv-thru -n '${condition}' -l ${flag.slice(2)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The pattern of a line that has come as far as this command: `builder` is not the beginning of `build`. */
function typed({ words }: CompletionCommandSpec): string {
  return `"${words.join(" ")}"|"${words.join(" ")} "*`;
}

/** The first words, without doubles. */
function firstWords(specs: Specs): string[] {
  return [...new Set([...specs.map(s => s.words[0] ?? ""), "help"])];
}

/** Nouns with their verbs. */
function groups(specs: Specs): [noun: string, verbs: string[]][] {
  const byNoun = new Map<string, string[]>();
  for (const { words } of specs) {
    const [noun, verb] = words;
    if (noun !== undefined && verb !== undefined) byNoun.set(noun, [...(byNoun.get(noun) ?? []), verb]);
  }
  return [...byNoun];
}
