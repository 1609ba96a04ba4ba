import type { Obstacle } from '../../injector/agent/report-body.ts';
import type { KeptReport } from '../reports/report.ts';

/** What the processes of a pod say is not as it should be, in their own words, each once. */
export interface Complaints {
  /** What the policy asks for and they cannot do: `exporter default: it needs key k of Secret s, which is not there`. */
  problems: string[];
  /** Why spans are lost: `exporter default: collector:4318: connect ECONNREFUSED`. */
  troubles: string[];
  /** Libraries that give no spans, and why; not those that somebody switched off. */
  libraries: string[];
}

/** Of the reasons that we know; a newer agent may have others, which are shown as they are. */
const OBSTACLES: Record<Obstacle, string> = {
  UnsupportedVersion: 'its instrumentation is for other versions',
  LoadedBefore: 'another preload brought it in before the agent',
  Bundled: 'it is bundled into a file of the app',
  SwitchedOff: 'it is switched off',
  AgentError: "an error of the agent's: standard error of the process says more",
};

/** What most often is behind the words of the system or of Node; the first that fits. */
const HINTS: [words: RegExp, hint: string][] = [
  [
    /HPE_|Protocol error|Parse Error/,
    'is it the port of the other protocol? Collectors mostly take grpc at 4317 and http/protobuf at 4318',
  ],
  [
    /ENOTFOUND|EAI_AGAIN/,
    "there is no such host: is the exporter's endpoint right? From another namespace it is NAME.NAMESPACE",
  ],
  [/ECONNREFUSED/, 'nothing listens there: does it run, and is the port right?'],
  [
    /ECONNRESET|socket hang up/,
    'what listens there hung up. Collectors mostly take grpc at 4317 and http/protobuf at 4318; or it wants TLS (https)',
  ],
  [/EPROTO|wrong version number/, 'it speaks no TLS there: is the endpoint meant to be http and not https?'],
  [
    /HTTP 404/,
    'nothing takes them at that path: /v1/traces and the like are added to the endpoint, which mostly has no path of its own',
  ],
  [/CERT|certificate|self.signed/i, 'is it the right authority? See tls.ca of the exporter'],
];

function hinted(trouble: string): string {
  const hint = HINTS.find(([words]) => words.test(trouble))?.[1];
  return hint ? `${trouble} (${hint})` : trouble;
}

/** Why a library gives no spans, for people. */
export function obstacle(why: string): string {
  return (OBSTACLES as Record<string, string>)[why] ?? why;
}

export function complaintsOf(reports: KeptReport[]): Complaints {
  const problems = new Set<string>();
  const troubles = new Set<string>();
  const libraries = new Set<string>();
  for (const report of reports) {
    for (const problem of report.problems ?? []) problems.add(problem);
    for (const { name, trouble } of report.exporters ?? [])
      if (trouble !== undefined) troubles.add(`exporter ${name}: ${hinted(trouble)}`);
    for (const { library, why } of report.uninstrumented ?? [])
      if (why !== 'SwitchedOff') libraries.add(`${library} (${obstacle(why)})`);
  }
  return { problems: [...problems], troubles: [...troubles], libraries: [...libraries] };
}
