/** Which p2p this is. The build puts the version of package.json here; from source it is read from there. */
import packageJson from "../package.json" with { type: "json" };

export const version: string = packageJson.version;

/** What we call ourselves in HELLO and WELCOME. */
export const agent = `p2p/${version}`;
