/** What is before a message in Connect's streams: a byte of flags, four of length (big-endian). */
export const ENVELOPE = 5;
/** The flag of an envelope that is no message: the end of the stream. */
export const END_STREAM = 2;
