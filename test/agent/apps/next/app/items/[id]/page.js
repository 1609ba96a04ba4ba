export default async function Item({ params }) {
  const { id } = await params;
  const stock = await (await fetch(`${process.env.STOCK_URL}/stock`, { cache: 'no-store' })).text();
  return (
    <p>
      item {id}: {stock}
    </p>
  );
}
