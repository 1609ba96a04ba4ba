// The same from an ES module.
import './server.cjs';
