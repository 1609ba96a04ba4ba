export function required(name: string): string;
export function listenAddress(defaultPort: number): { host: string; port: number };
export function callTimeout(): number;
