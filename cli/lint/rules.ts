import type { SamplingRule } from '../../crds/sampling.ts';
import { anyOf } from '../../injector/agent/sampling-rules.ts';

const KINDS = ['Server', 'Client', 'Producer', 'Consumer', 'Internal'];
const EVERYTHING = /^\*+$/;

/** Why a rule of `sampling.rules` can match no span, whatever stands before it; undefined where it can. */
export function impossible({ spanKinds, methods, paths, spanNames }: SamplingRule): string | undefined {
  if (paths && spanKinds && !spanKinds.includes('Server'))
    return 'paths are of requests that arrive, whose spans are of the kind Server';
  if (methods && spanKinds && !spanKinds.some((kind) => kind === 'Server' || kind === 'Client'))
    return 'methods are of HTTP requests, whose spans are of the kinds Server and Client';
  const requests = spanNames?.filter((name) => /^[A-Z]+ \//.test(name)) ?? [];
  if (spanNames && requests.length === spanNames.length && (!spanKinds || spanKinds.every((kind) => kind === 'Server')))
    return `when a rule is asked, the span of a request is named by its method alone (${requests[0]!.split(' ')[0]}): its route is not known yet`;
  return undefined;
}

/** Whether every span that `later` matches is matched by `earlier` before: then it decides nothing. */
export function covers(earlier: SamplingRule, later: SamplingRule): boolean {
  const kinds = earlier.spanKinds ?? KINDS;
  if (!(later.spanKinds ?? KINDS).every((kind) => kinds.includes(kind))) return false;
  if (!list(earlier.spanNames, later.spanNames, true)) return false;
  if (!list(earlier.methods, later.methods, false)) return false;
  if (!list(earlier.paths, later.paths, false)) return false;
  return Object.entries(earlier.attributes ?? {}).every(([name, pattern]) => {
    const own = later.attributes?.[name];
    return own !== undefined && anyOf([pattern]).test(own);
  });
}

/**
 * Whether what one list of patterns matches includes all that another does. A pattern that matches another's text matches all
 * that the other stands for, as only a * can have taken in its *.
 * @param always whether every span has what the list is about; otherwise even a * asks for it to be there.
 */
function list(earlier: string[] | undefined, later: string[] | undefined, always: boolean): boolean {
  if (!earlier) return true;
  if (always && earlier.some((pattern) => EVERYTHING.test(pattern))) return true;
  if (!later) return false;
  const all = anyOf(earlier);
  return later.every((pattern) => all.test(pattern));
}
