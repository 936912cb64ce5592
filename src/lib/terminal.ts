/**
 * Escape sequences: CSI, then OSC, DCS, SOS, PM and APC with their text up to BEL or ST, then the short ones. The 8-bit forms too.
 * An unfinished string sequence takes the rest of the line with it: better a lost word than a moved cursor.
 */
const ESCAPES =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\u001b[\]P^_X]|[\u009d\u0090\u009e\u009f\u0098])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?/g;

/** Controls but tab and line feed, and the marks that reorder or hide text. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text from outside as a terminal may show it: at most `limit` characters, without escape sequences, controls and marks that reorder text. */
export function cleanText(text: string, limit: number): string {
  // Cut generously first, so that the work is bounded whatever was sent.
  const clean = text
    .slice(0, limit * 4)
    .replaceAll("\r\n", "\n")
    .replace(ESCAPES, "")
    .replace(CONTROLS, "");
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}

/** Likewise, in one line. */
export function cleanLine(text: string, limit: number): string {
  return cleanText(text, limit).replace(/\s*\n\s*/g, " ");
}
