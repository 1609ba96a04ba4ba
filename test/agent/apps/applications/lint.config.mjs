export default [{ rules: { 'prefer-const': 'error', 'no-console': 'error' } }];
