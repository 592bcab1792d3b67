/** `import text from "….sql" with { type: "text" }`: migrations travel inside the binary. */
declare module "*.sql" {
  const text: string;
  export default text;
}
