import type { Cluster } from '../cluster/cluster.ts';
import { SHOP_NAMESPACE } from './deploy.ts';
import { forward } from './forward.ts';
import { Jaeger } from './jaeger.ts';

/** Where orders go and where their traces end up. */
export interface Route {
  orderUrl: string;
  jaeger: Jaeger;
}

/** Opens ports to the order service and to Jaeger for as long as `work` takes. */
export async function withRoute<T>(cluster: Cluster, work: (route: Route) => Promise<T>): Promise<T> {
  const order = await forward(cluster, { namespace: SHOP_NAMESPACE, service: 'order', port: 8080 });
  try {
    const jaeger = await forward(cluster, { namespace: 'observability', service: 'jaeger', port: 16686 });
    try {
      return await work({ orderUrl: order.url, jaeger: new Jaeger(jaeger.url) });
    } finally {
      jaeger.stop();
    }
  } finally {
    order.stop();
  }
}
