import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** More of them waiting behind the one that is being sent end their connection. */
const ANSWERS_A_CONNECTION = 100;

export interface UntakenOptions {
  /** What all requests together hold. */
  readonly memory: { heldBytes: number };
  /** How long a client may take to take an answer. */
  readonly withinMs: number;
}

/** Answers that clients have not taken yet, and what becomes of clients that do not. */
export interface Untaken {
  /**
   * Whether a connection asks for more while a hundred of its answers wait behind another one. A few small requests in one packet would
   * otherwise become any number of answers before anybody notices that nobody takes them.
   */
  readonly isPiledUp: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Counts what stays in memory of an answer that was just ended until it is taken, and ends its connection when that takes too long. */
  readonly hold: (request: IncomingMessage, response: ServerResponse, length: number) => void;
}

/** Of one connection. */
interface Pile {
  answers: number;
  bytes: number;
  isOver: boolean;
}

export function createUntaken({ memory, withinMs }: UntakenOptions): Untaken {
  const piles = new WeakMap<Socket, Pile>();
  const pileOf = (socket: Socket): Pile => {
    const known = piles.get(socket);
    if (known) return known;
    const pile: Pile = { answers: 0, bytes: 0, isOver: false };
    piles.set(socket, pile);
    // Answers that wait behind another one are never told that their connection is gone.
    socket.once("close", () => {
      memory.heldBytes -= pile.bytes;
      pile.isOver = true;
    });
    return pile;
  };
  return {
    isPiledUp: ({ socket }, response) => {
      // With its socket the answer is the next one: nearly always.
      if (response.socket !== null) return false;
      const pile = pileOf(socket);
      pile.answers += 1;
      response.once("close", () => (pile.answers -= 1));
      return pile.answers > ANSWERS_A_CONNECTION;
    },
    hold: ({ socket }, response, length) => {
      // Nearly always the kernel has all of it at once.
      const bytes = response.socket ? response.socket.writableLength : length;
      if (bytes === 0 || socket.destroyed) return;
      const pile = pileOf(socket);
      pile.bytes += bytes;
      memory.heldBytes += bytes;
      const late = setTimeout(() => socket.destroy(), withinMs).unref();
      response.once("close", () => {
        clearTimeout(late);
        if (pile.isOver) return;
        pile.bytes -= bytes;
        memory.heldBytes -= bytes;
      });
    },
  };
}
