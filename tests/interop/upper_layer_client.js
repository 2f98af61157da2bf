// A requestor on dcmjs-dimse: echo, worklist query, N-CREATE, N-SET and N-GET on one association; JSON in, JSON out.
'use strict';
const { Client, Dataset, requests, constants, log } = require('dcmjs-dimse');
log.setLevel('error');
const { port, uid } = JSON.parse(process.argv[2]);
const RETRIEVE = '1.2.840.10008.3.1.2.3.4';

const get = new requests.NGetRequest(RETRIEVE, uid, []);
get.setRequestedSopClassUid(RETRIEVE);
const list = [
  ['echo', new requests.CEchoRequest()],
  ['find', requests.CFindRequest.createWorklistFindRequest({ PatientName: '*', PregnancyStatus: 0, ReferencedStudySequence: [] })],
  ['create', new requests.NCreateRequest(constants.SopClass.ModalityPerformedProcedureStep, uid)],
  ['set', new requests.NSetRequest(constants.SopClass.ModalityPerformedProcedureStep, uid)],
  ['get', get],
];
list[2][1].setDataset(new Dataset({ PerformedProcedureStepStatus: 'IN PROGRESS' }));
list[3][1].setDataset(new Dataset({ PerformedProcedureStepStatus: 'COMPLETED' }));

const client = new Client();
const answers = [];
for (const [kind, request] of list) {
  request.on('response', (response) => {
    const dataset = response.getDataset();
    const elements = dataset ? dataset.getElements() : {};
    answers.push([kind, response.getStatus(), elements.PatientID || elements.PerformedProcedureStepStatus || null]);
  });
  client.addRequest(request);
}
client.on('closed', () => console.log(JSON.stringify(answers)));
client.on('networkError', (error) => {
  console.error(error.message);
  process.exitCode = 2;
});
client.send('127.0.0.1', port, 'DCMJS', 'BROKER');
