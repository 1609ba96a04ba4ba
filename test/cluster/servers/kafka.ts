import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { installedKafka } from '../../servers/kafka.ts';
import { addUser } from '../bases.ts';
import { isLibrary } from '../debian.ts';
import { packagedServerArchive } from './packaged.ts';

const ENTRYPOINT = join(import.meta.dirname, 'kafka-entrypoint.sh');
const JAVA_HOMES = 'usr/lib/jvm';

/** An image of Kafka, as Maven's repository has it, on Debian's Java, that is configured by the variables of the official one. */
export async function kafkaArchive(ref: string): Promise<string> {
  const jars = await installedKafka();
  return packagedServerArchive(ref, {
    package: 'openjdk-17-jre-headless',
    recipe: Buffer.concat([readFileSync(import.meta.filename), readFileSync(ENTRYPOINT), Buffer.from(jars)]),
    isNeeded: (name) =>
      isLibrary(name) && !/^lib(asound|avahi|cups|dbus|gnutls|glib|harfbuzz|font|freetype)/.test(name),
    finish: (root) => {
      const home = readdirSync(join(root, JAVA_HOMES)).find((name) =>
        existsSync(join(root, JAVA_HOMES, name, 'bin/java')),
      );
      if (home === undefined) throw new Error("Debian's package of Java has no bin/java");
      symlinkSync(`/${JAVA_HOMES}/${home}/bin/java`, join(root, 'usr/bin/java'));
      addUser(root, 'appuser', 1000, '/home/appuser');
      cpSync(jars, join(root, 'opt/kafka/libs'), { recursive: true });
      mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
      copyFileSync(ENTRYPOINT, join(root, 'usr/local/bin/kafka-entrypoint.sh'));
      chmodSync(join(root, 'usr/local/bin/kafka-entrypoint.sh'), 0o755);
    },
    config: { Cmd: ['kafka-entrypoint.sh'], User: '1000', ExposedPorts: { '9092/tcp': {} } },
  });
}
