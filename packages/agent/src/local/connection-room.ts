import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Says which connections must stay. */
export type ConnectionRoom = {
  /** Its request has come whole, and is being worked on: until it is answered nobody cuts this connection. */
  isServed(response: ServerResponse): void;
};

/**
 * So many connections have room at once. Whoever holds one without asking anything, or dribbles a request, goes first when
 * another comes, and the one who has waited longest before all: on a socket that anybody may open nobody can sit on all
 * places (Node gives no peer credentials, so places cannot be counted by user).
 */
export function createConnectionRoom(server: Server, places: number): ConnectionRoom {
  const all = new Set<Socket>();
  /** Without a request that is being served, the longest first. */
  const idle = new Set<Socket>();

  server.on('connection', socket => {
    if (all.size >= places) {
      const [longest] = idle;
      if (longest === undefined) {
        socket.destroy();
        return;
      }
      leave(longest);
      longest.destroy();
    }
    all.add(socket);
    idle.add(socket);
    socket.once('close', () => leave(socket));
  });

  function leave(socket: Socket): void {
    all.delete(socket);
    idle.delete(socket);
  }

  return {
    isServed(response) {
      const { socket } = response;
      if (socket === null) return;
      idle.delete(socket);
      response.once('close', () => {
        if (all.has(socket)) idle.add(socket);
      });
    },
  };
}
