/** All that is fuzzed. A new decoder is a line here, or in one of the files of `targets/`. */
import type { Target } from "./target.ts";
import { addressTargets } from "./targets/addresses.ts";
import { fileTargets } from "./targets/files.ts";
import { framingTarget } from "./targets/framing.ts";
import { httpTarget } from "./targets/http.ts";
import { lineTargets } from "./targets/lines.ts";
import { nameTargets } from "./targets/names.ts";
import { sessionTargets } from "./targets/sessions.ts";
import { settingsTargets } from "./targets/settings.ts";
import { trustTargets } from "./targets/trust.ts";

export const targets: readonly Target[] = [
  ...lineTargets,
  framingTarget,
  ...sessionTargets,
  ...nameTargets,
  ...fileTargets,
  ...settingsTargets,
  ...addressTargets,
  ...trustTargets,
  httpTarget,
];
