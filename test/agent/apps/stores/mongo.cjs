// node mongo.cjs URL
const { MongoClient } = require('mongodb');
const mongoose = require('mongoose');
const { serve } = require('./serve.cjs');

const [, , url] = process.argv;
const client = new MongoClient(url);
const nobody = new MongoClient('mongodb://127.0.0.1:9/', { serverSelectionTimeoutMS: 100 });
const items = client.db('shop').collection('items');
const Receipt = mongoose.model('Receipt', new mongoose.Schema({ number: Number, customer: String }));

async function run() {
  await client.connect();
  await items.deleteMany({});
  await mongoose.connect(url, { dbName: 'shop', autoIndex: false });
  await Receipt.deleteMany({});
  serve({
    insert: async () =>
      (await items.insertMany([1, 2, 3].map((id) => ({ _id: id, name: 'secret', stock: { left: 5 } })))).insertedCount,
    find: () => items.findOne({ name: 'secret', 'stock.left': { $gt: 4 } }, { sort: { _id: 1 } }),
    pages: async () => (await items.find({ name: 'secret' }, { batchSize: 2 }).toArray()).length,
    update: async () => (await items.updateOne({ _id: 1 }, { $set: { name: 'secret tea' } })).modifiedCount,
    aggregate: () =>
      items.aggregate([{ $match: { name: 'secret' } }, { $group: { _id: '$name', count: { $sum: 1 } } }]).toArray(),
    delete: async () => (await items.deleteOne({ _id: 3 })).deletedCount,
    nobody: () => nobody.db('shop').collection('items').findOne({ name: 'secret' }),
    duplicate: () => items.insertOne({ _id: 1, name: 'secret' }),
    'mongoose-save': async () => (await new Receipt({ number: 7, customer: 'secret' }).save()).number,
    'mongoose-find': async () => (await Receipt.find({ customer: 'secret' })).length,
  });
}
run();
