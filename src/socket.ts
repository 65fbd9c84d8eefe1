import { isAbsolute, join } from "node:path";
import { openPeerReader, type Peer } from "./peer.ts";
import type { Sys } from "./sys.ts";
import { attempt } from "./sys-files.ts";

/** Unix sockets that carry one line each way, between processes of this user; each end knows who the other one is. */
export interface LineServer {
  path: string;
  /** Whoever still waits gets no answer. */
  close(): void;
}

/** What a system takes as the path of a socket (108 bytes on Linux, 104 on macOS, the end mark among them). */
const maxPathBytes = 100;
const nameBytes = 20;

/** A short folder that only this user can enter; undefined when there is none to be had. */
function openSocketDir(sys: Sys): string | undefined {
  const { XDG_RUNTIME_DIR: runtime, TMPDIR: temporary } = sys.env;
  const own = `csd-${sys.uid}`;
  const wanted = [
    runtime === undefined ? undefined : join(runtime, "csd"),
    temporary === undefined ? undefined : join(temporary, own),
    join("/tmp", own),
  ];
  return wanted.find((dir): dir is string => {
    if (dir === undefined || !isAbsolute(dir) || Buffer.byteLength(dir) + nameBytes > maxPathBytes) return false;
    attempt(() => sys.makePrivateDir(dir));
    const owner = sys.owner(dir);
    return owner?.kind === "folder" && owner.uid === sys.uid && (owner.mode & 0o077) === 0;
  });
}

/** Longer lines are no answer of ours. */
const maxLineBytes = 32 * 1024 * 1024;

interface Ends {
  out: Uint8Array;
  chunks: Uint8Array[];
  bytes: number;
  isOver: boolean;
  /** Once all of `out` is handed to the system. */
  onSent(): void;
}

const newEnds = (): Ends => ({ out: new Uint8Array(), chunks: [], bytes: 0, isOver: false, onSent: () => {} });

type Socket = Bun.Socket<Ends>;

function flush(socket: Socket): void {
  const ends = socket.data;
  if (ends.out.length > 0) ends.out = ends.out.subarray(Math.max(0, socket.write(ends.out)));
  if (ends.out.length === 0) ends.onSent();
}

const sendLine = (socket: Socket, line: string): Promise<void> =>
  new Promise((resolve) => {
    socket.data.out = Buffer.from(`${line}\n`);
    socket.data.onSent = resolve;
    flush(socket);
  });

/** The line once it is whole; undefined until then. */
function readLine(socket: Socket, chunk: Uint8Array): string | undefined {
  const ends = socket.data;
  if (ends.isOver) return undefined;
  ends.chunks.push(chunk.slice());
  ends.bytes += chunk.length;
  if (ends.bytes > maxLineBytes) socket.terminate();
  if (!chunk.includes(10)) return undefined;
  ends.isOver = true;
  const text = Buffer.concat(ends.chunks).toString();
  return text.slice(0, text.indexOf("\n"));
}

const peerOf = (read: (fd: number) => Peer | undefined, socket: Socket): Peer | undefined =>
  // Bun 1.4.5 has it, its types do not.
  read((socket as unknown as { fd: number }).fd);

/**
 * Answers each line that comes with one; undefined as an answer closes without a word. `sent` runs when the answer has left.
 * Undefined where no peer can be told from another, or no folder is private.
 */
export async function serveLines(
  sys: Sys,
  answer: (line: string, peer: Peer | undefined) => Promise<{ line: string; sent?(): void } | undefined>,
): Promise<LineServer | undefined> {
  const [dir, read] = [openSocketDir(sys), await openPeerReader(sys)];
  if (dir === undefined || read === undefined) return undefined;
  const path = join(dir, `${sys.pid}-${sys.randomId().slice(0, 8)}`);
  const listener = Bun.listen<Ends>({
    unix: path,
    socket: {
      open(socket) {
        socket.data = newEnds();
      },
      async data(socket, chunk) {
        const line = readLine(socket, chunk);
        if (line === undefined) return;
        const reply = await answer(line, peerOf(read, socket)).catch(() => undefined);
        if (reply !== undefined) await sendLine(socket, reply.line);
        reply?.sent?.();
        socket.end();
      },
      drain: flush,
    },
  });
  return {
    path,
    close() {
      listener.stop(true);
      sys.remove(path);
    },
  };
}

interface LineAnswer {
  line: string;
  peer: Peer | undefined;
}

/** Undefined when nobody is there; `silent` when whoever is there does not answer in time. */
export async function askLine(sys: Sys, path: string, line: string, timeoutMs: number): Promise<LineAnswer | "silent" | undefined> {
  const read = await openPeerReader(sys);
  if (read === undefined || !isAbsolute(path)) return undefined;
  return new Promise((resolve) => {
    let peer: Peer | undefined;
    const timer = setTimeout(() => finish("silent"), timeoutMs);
    const finish = (answer?: LineAnswer | "silent") => {
      clearTimeout(timer);
      resolve(answer);
    };
    Bun.connect<Ends>({
      unix: path,
      socket: {
        open(socket) {
          socket.data = newEnds();
          peer = peerOf(read, socket);
          void sendLine(socket, line);
        },
        data(socket, chunk) {
          const answer = readLine(socket, chunk);
          if (answer === undefined) return;
          finish({ line: answer, peer });
          socket.end();
        },
        drain: flush,
        close: () => finish(),
        connectError: () => finish(),
      },
    }).catch(() => finish());
  });
}

/** Removes the sockets that killed processes have left. */
export async function sweepSockets(sys: Sys): Promise<void> {
  const dir = openSocketDir(sys);
  if (dir === undefined) return;
  for (const name of sys.list(dir)) {
    const pid = Number(/^(\d+)-[0-9a-f]{8}$/.exec(name)?.[1]);
    if (!(pid > 0) || sys.signal(pid, 0)) continue;
    // A process of another container has no number here, and may live.
    if (!(await canConnect(join(dir, name)))) sys.remove(join(dir, name));
  }
}

const canConnect = async (path: string): Promise<boolean> => {
  try {
    (await Bun.connect({ unix: path, socket: { data() {} } })).end();
    return true;
  } catch {
    return false;
  }
};
