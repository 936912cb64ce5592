import { stdin, stdout } from "node:process";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** The runner's messages on stdin, each after four bytes of length. */
export async function* readMessages<Desc extends DescMessage>(schema: Desc): AsyncGenerator<MessageShape<Desc>> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of stdin) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE()) {
      const end = 4 + buffer.readUInt32BE();
      yield fromBinary(schema, buffer.subarray(4, end));
      buffer = buffer.subarray(end);
    }
  }
}

/** Answers the runner on stdout. */
export function writeMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  const bytes = toBinary(schema, message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  stdout.write(Buffer.concat([length, bytes]));
}
