// A worklist query on dcmjs-dimse with the keys it is known for, in one character set; JSON in, JSON out.
'use strict';
const { Client, Dataset, requests, log } = require('dcmjs-dimse');
log.setLevel('error');
const { port, charset } = JSON.parse(process.argv[2]);

const request = requests.CFindRequest.createWorklistFindRequest({
  PatientName: '', PatientID: '', AccessionNumber: '', PregnancyStatus: 0, QueryRetrieveLevel: '',
  ReferencedStudySequence: [], ReferencedPatientSequence: [], RequestedProcedureCodeSequence: [],
  ScheduledProcedureStepSequence: [{ Modality: 'CT', ScheduledProcedureStepID: '', ScheduledStationAETitle: '' }],
});
if (charset) request.getDataset().setElement('SpecificCharacterSet', charset);
const answers = [];
request.on('response', (response) => {
  const dataset = response.getDataset();
  const elements = dataset ? dataset.getElements() : {};
  answers.push({ status: response.getStatus(), name: elements.PatientName ?? null, id: elements.PatientID ?? null });
});
const client = new Client();
client.addRequest(request);
client.on('closed', () => console.log(JSON.stringify(answers)));
client.on('networkError', (error) => {
  console.error(error.message);
  process.exitCode = 2;
});
client.send('127.0.0.1', port, 'DCMJS', 'BROKER');
