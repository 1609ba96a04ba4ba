import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { goModule } from '../../cluster/go.ts';

/** Of Kong's controller 3.4 and of the Gateway API, in the modules that deliver them. */
const FILES: Record<string, string[]> = {
  'github.com/kong/kubernetes-configuration@v1.4.0': [
    'config/crd/ingress-controller/configuration.konghq.com_kongplugins.yaml',
    'config/crd/ingress-controller/configuration.konghq.com_kongclusterplugins.yaml',
  ],
  'sigs.k8s.io/gateway-api@v1.2.1': ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
};

/** The CustomResourceDefinitions that Kong's routes and plug-ins need, each as YAML. */
export async function gatewayDefinitions(): Promise<string[]> {
  const read = async ([module, files]: [string, string[]]) => {
    const folder = await goModule(module);
    return files.map((file) => readFileSync(join(folder, file), 'utf8'));
  };
  return (await Promise.all(Object.entries(FILES).map(read))).flat();
}
