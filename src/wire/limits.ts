/**
 * Every bound of the protocol, in one place, with where it comes from. A length is checked against these before
 * memory is committed to it.
 */

/** Version that HELLO and WELCOME carry. */
export const protocolVersion = 1;

/** Part of a content that has its own hash: 64 leaves of BEP 52's 16 KiB. */
export const chunkBytes = 1024 * 1024;
/** Leaf of the Merkle tree (BEP 52). */
export const leafBytes = 16 * 1024;
/** 1 TiB of content; keeps the chunk hashes of one content at 32 MiB and its bitfield at 128 KiB. */
export const maxChunksPerContent = 1_048_576;
export const maxContentBytes = maxChunksPerContent * chunkBytes;

/** A line before HELLO was understood, and every request to a peer: all of them are short. */
export const maxShortLineBytes = 4 * 1024;
/** A line of the index protocol after HELLO. */
export const maxIndexLineBytes = 1024 * 1024;
/** Such a line that is no REGISTER and no UPDATE: the longest, a LIST with every character escaped, has 12.5 KiB. */
export const maxIndexQuestionLineBytes = 16 * 1024;
/**
 * A line that the index answers with: 100 contents with 16 names of 1 KiB and 64 sources each are 2.5 MiB.
 */
export const maxIndexAnswerLineBytes = 4 * 1024 * 1024;
/** A line that a peer answers with: HAVE with two bitfields of 1,048,576 chunks, each 171 KiB in base64. */
export const maxPeerAnswerLineBytes = 384 * 1024;

/** Levels of nesting in a line; our deepest message has four. */
export const maxJsonDepth = 8;
/** Keys of one message or file entry, unknown ones included. */
export const maxKeysPerObject = 64;

/** Files in one REGISTER or UPDATE (added and removed together). */
export const maxFilesPerMessage = 2_000;
/** Files one peer may register in all. */
export const maxFilesPerPeer = 100_000;
/** Files of all peers together. */
export const maxFilesPerIndex = 10_000_000;

/** UTF-8 bytes of a whole name, its parts, and how many of those. */
export const maxNameBytes = 1024;
export const maxNamePartBytes = 255;
export const maxNameParts = 32;

/** Contents in one RESULT, sources and names of each. */
export const maxContentsPerResult = 100;
export const maxSourcesPerContent = 64;
export const maxNamesPerContent = 16;

/** Text of a SEARCH, its words, and the matches of one answer. */
export const maxSearchTextBytes = 1024;
export const maxSearchWords = 16;
export const maxMatchesPerSearch = 1_000;
export const defaultMatchesPerSearch = 50;

/** Pattern of a LIST, files of one answer, and the sources of each. */
export const maxPatternBytes = 1024;
export const maxFilesPerList = 1_000;
export const maxSourcesPerListedFile = 8;

/** Entries of one FOLDER, and peers of one PEERS: as many as one LIST has files. */
export const maxEntriesPerFolder = 1_000;
export const maxPeersPerPage = 1_000;
/** What tells the next page of a SEARCH or of PEERS where to begin. */
export const maxPageMarkBytes = 256;
/** The id that an index gave a peer, and what it calls its storage. */
export const maxPeerIdBytes = 128;
export const maxStorageNameBytes = 64;

/** Subscribed QUERYs and WATCHes of one connection and of all; who asks for more is not subscribed. */
export const maxSubscriptionsPerConnection = 64;
export const maxSubscriptions = 65_536;
/** New sources of a content in one SOURCES, chosen by chance, and the time between two SOURCES of a subscription. */
export const maxNewSourcesPerContent = 8;
export const sourcesIntervalMs = 200;

/** Longest range of one GET. */
export const maxGetBytes = 16 * 1024 * 1024;
/** `retryMs` of an ERROR; a longer one is lowered to it. */
export const maxRetryMs = 60_000;
/** Agent text of HELLO and WELCOME. */
export const maxAgentBytes = 128;
/** What tells the connections of one download from those of another. */
export const maxSessionBytes = 64;

/** From accept to a good HELLO. */
export const handshakeTimeoutMs = 10_000;
/** Connecting to a source. */
export const connectTimeoutMs = 5_000;
/** A connection without a message in either direction is closed after this. */
export const idleTimeoutMs = 120_000;
/** The other side accepts not one byte for this long while we have some for it. */
export const writeTimeoutMs = 30_000;
/** What one connection may have waiting to be sent before reading from it stops. */
export const maxBufferedBytes = 1024 * 1024;
/** Of all connections to an index together: unfinished lines and unapplied messages; what waits to be sent. */
export const maxReceivedBytes = 32 * 1024 * 1024;
export const maxUnsentBytes = 256 * 1024 * 1024;

/** A registered peer that says nothing for this long is taken for gone. */
export const leaseMs = 90_000;
/** How often a registered peer says PING when it has nothing else to say. */
export const pingIntervalMs = 30_000;

/** Connections at once. Idle ones cost 2 KiB each; open files are what there may be too few of. */
export const maxIndexConnections = 4_096;
export const maxPeerConnections = 512;
/** Of these, such as have not said HELLO yet. */
export const maxPendingConnections = 256;
/** Of these, such as come from one address (here and below: or from one /64 of IPv6). */
export const maxConnectionsPerAddress = 64;
/** New connections of one address in this time, and as many at once. */
export const arrivalWindowMs = 30_000;
export const maxNewIndexConnectionsPerAddress = 300;
/** Ten a second: each download opens up to four, and a script fetches several small files a second. */
export const maxNewPeerConnectionsPerAddress = 300;
/**
 * Connecting to a peer that registers in a private network: how long it may take, how many are tried at once in all and
 * of one address, for how long a machine counts as found at an address and port, and as not found.
 */
export const reachTimeoutMs = 5_000;
export const maxReachProbes = 16;
export const maxReachProbesOfAddress = 2;
export const reachIntervalMs = 60_000;
export const reachRetryMs = 10_000;
/** Tried for one address in this time, and as many at once. */
export const reachWindowMs = 32_000;
export const maxReachesOfAddress = 16;
/**
 * Asking a peer for a chunk of what it announces, in a private network: how often of all peers and of one, how many at
 * once, how long it may take, and for how long one that has not what it announced is not listed.
 */
export const auditIntervalMs = 5_000;
export const auditPeerIntervalMs = 60_000;
export const maxAuditsAtOnce = 4;
export const auditTimeoutMs = 20_000;
export const unbackedMs = 600_000;
/** Of one address, that have not proved to belong to the network: in this time, and as many at once. */
export const failedProofWindowMs = 60_000;
export const maxFailedProofsPerAddress = 5;
/** Registered peers of one address. */
export const maxPeersPerAddress = 16;
