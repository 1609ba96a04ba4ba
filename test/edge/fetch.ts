// Builds what tests of gateways have them configure themselves by, where it is missing. Each of these tests would do it as well:
// this does it before, beside other stages.
//   node test/edge/fetch.ts
import { nginxRenderingFolder } from '../cluster/gateways/ingress-nginx.ts';
import { kongTranslatorFolder } from '../cluster/gateways/kong.ts';

await nginxRenderingFolder();
await kongTranslatorFolder();
