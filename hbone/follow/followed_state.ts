import { DEFAULT_WINDOW } from "../frames/frame.ts";
import { INITIAL_SETTINGS, type Settings } from "../frames/settings.ts";
import { ServedStreams, WithheldStreams } from "./followed_streams.ts";

/** What both directions of a followed connection have to know. */
export class FollowedState {
  readonly served = new ServedStreams();
  readonly withheld = new WithheldStreams();
  /** Nothing is followed any more: what is sent is for the two ends alone to interpret. Never after anything was withheld. */
  isBlind = false;
  /** Something was withheld from the server. */
  isMixed = false;
  /** The highest number of a stream that the caller has opened. */
  lastStream = 0;
  /** The highest number of one that the server has. */
  lastServed = 0;
  /** The highest stream that the caller may take for processed, once it was told that there will be no more (GOAWAY). */
  lastProcessed: number | undefined;
  /** What the server has announced, as the caller was told it. */
  server: Readonly<Settings> = INITIAL_SETTINGS;
  /** Bytes of the largest frame, and of the largest table of headers, that the caller was ever allowed. */
  largestFrame: number = INITIAL_SETTINGS.maxFrameSize;
  largestTable: number = INITIAL_SETTINGS.headerTableSize;
  /** What the caller has announced and the server has acknowledged. */
  caller: Readonly<Settings> = INITIAL_SETTINGS;
  /** What it has announced, and the server not acknowledged yet. */
  readonly announced: Readonly<Settings>[] = [];
  /** The table size that the caller's decoder has to be told of by the next header block, of whichever end that is. */
  tableSize: number | undefined;
  /** Bytes that the caller still takes on all streams. */
  window = DEFAULT_WINDOW;
  /** Bytes of that window that went to answers of withheld streams, while the server takes them for its own. */
  owed = 0;
  /** Whether the server, and others in its place, have answered anything since the caller's last PING. */
  serverSpoke = false;
  sideSpoke = false;
}
