import { present } from "./json.ts";
import { ancestors, readProcessTable, walkProc } from "./process-table.ts";
import { channelVariable } from "./program.ts";
import type { Sys } from "./sys.ts";

/** The process on the other end of a Unix socket, by the kernel's word: nobody can give another's. */
export interface Peer {
  pid: number;
  uid: number;
}

type PeerReader = (fd: number) => Peer | undefined;

/** How a system tells it; undefined where its library or the call is missing. */
const readers: Partial<Record<NodeJS.Platform, () => Promise<PeerReader | undefined>>> = { linux: openLinux, darwin: openMac };

/** Undefined where nothing can be told, as on Windows: there sockets carry nothing that counts. */
export async function openPeerReader(sys: Pick<Sys, "platform">): Promise<PeerReader | undefined> {
  try {
    return await readers[sys.platform]?.();
  } catch {
    // A Bun without foreign functions.
    return undefined;
  }
}

/** glibc, then musl under its two names. */
const linuxLibraries = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

async function openLinux(): Promise<PeerReader | undefined> {
  const { dlopen, ptr } = await import("bun:ffi");
  const wanted = { getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" } } as const;
  for (const name of linuxLibraries) {
    try {
      const { symbols } = dlopen(name, wanted);
      return (fd) => {
        const [solSocket, peerCredentials] = [1, 17];
        const credentials = new Int32Array(3);
        const size = new Uint32Array([credentials.byteLength]);
        const code = symbols.getsockopt(fd, solSocket, peerCredentials, ptr(credentials), ptr(size));
        const [pid = 0, uid = -1] = credentials;
        // A process of another pid namespace has no number here.
        return code === 0 && pid > 0 ? { pid, uid: uid >>> 0 } : undefined;
      };
    } catch {
      // Another C library.
    }
  }
  return undefined;
}

async function openMac(): Promise<PeerReader> {
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols } = dlopen("/usr/lib/libSystem.B.dylib", {
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    getpeereid: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  });
  return (fd) => {
    const [solLocal, localPeerPid] = [0, 2];
    const pid = new Int32Array(1);
    const size = new Uint32Array([pid.byteLength]);
    const [uid, gid] = [new Uint32Array(1), new Uint32Array(1)];
    const codes = [symbols.getsockopt(fd, solLocal, localPeerPid, ptr(pid), ptr(size)), symbols.getpeereid(fd, ptr(uid), ptr(gid))];
    return codes.every((code) => code === 0) && (pid[0] ?? 0) > 0 ? { pid: pid[0] ?? 0, uid: uid[0] ?? 0 } : undefined;
  };
}

/** Where a process comes from. */
export interface Origin {
  /** Itself, its parent, and so on; empty when it has ended. */
  pids: readonly number[];
  /** Channels and claudes that their environments name: a program left in the background keeps these when its parents have ended. */
  channels: readonly string[];
  claudePids: readonly number[];
  /** Conversations that claude says to its children they belong to. */
  sessionIds: readonly string[];
}

export async function readOrigin(sys: Sys, pid: number): Promise<Origin> {
  if (sys.platform === "linux") {
    const pids = walkProc(sys, pid);
    const environment = pids.flatMap((each) => (sys.readText(`/proc/${each}/environ`) ?? "").split("\0"));
    return {
      ...{ pids, channels: valuesOf(environment, channelVariable), claudePids: valuesOf(environment, "CLAUDE_PID").map(Number) },
      sessionIds: valuesOf(environment, "CLAUDE_CODE_SESSION_ID"),
    };
  }
  const table = await readProcessTable(sys, ["marks"]);
  const walked = table.has(pid) ? [...ancestors(table, pid)] : [];
  const marks = walked.flatMap((each) => table.get(each)?.marks ?? []);
  return {
    ...{ pids: walked, channels: [], claudePids: marks.flatMap(({ claudePid }) => claudePid ?? []) },
    sessionIds: marks.flatMap(({ sessionId }) => sessionId ?? []),
  };
}

const valuesOf = (environment: readonly string[], name: string): string[] =>
  environment.flatMap((entry) => (entry.startsWith(`${name}=`) ? [entry.slice(name.length + 1)] : []));

/** A session, as far as it matters who belongs to it. */
export interface Inside {
  claudePid?: number;
  channelDir?: string;
}

/** Is it a process that the session itself has started, however deep? */
export const isInside = ({ pids, channels, claudePids }: Origin, { claudePid, channelDir }: Inside): boolean =>
  (claudePid !== undefined && claudePid > 0 && (pids.includes(claudePid) || claudePids.includes(claudePid))) ||
  (channelDir !== undefined && channels.includes(channelDir));

/** Why a peer may not answer for the user; undefined when it may. */
export function refusePeer(peer: Peer | undefined, origin: Origin | undefined, uid: number, session: Inside): string | undefined {
  if (peer === undefined) return "the system does not tell who asks";
  if (peer.uid !== uid) return "another user asks";
  if (origin === undefined || origin.pids.length === 0) return "the process that asks has ended";
  return isInside(origin, session) ? "a process of the session itself asks" : undefined;
}

/** The rule, for a peer that has just connected. */
export async function judgePeer(sys: Sys, peer: Peer | undefined, session: Inside): Promise<string | undefined> {
  const origin = peer?.uid === sys.uid ? await readOrigin(sys, peer.pid) : undefined;
  return refusePeer(peer, origin, sys.uid, present(session));
}
