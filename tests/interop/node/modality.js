// A modality made of dcmjs-dimse.
//
//   node modality.js find     '{"port": 11112, "accession": "A1"}'                 worklist C-FIND, with the library's own keys
//   node modality.js start    '{"port": 11112, "accession": "A1", "uid": "1.2.3"}' C-FIND, then N-CREATE of what it found
//   node modality.js complete '{"port": 11112, "uid": "1.2.3"}'                    N-SET COMPLETED
//   node modality.js get      '{"port": 11112, "uid": "1.2.3"}'                    N-GET of the whole performed step
//   node modality.js stop     '{"port": 11112, "uid": "1.2.3", "reason": "110513"}' N-SET DISCONTINUED
//
// Prints {"items": [...], "status": final DIMSE status, "comment": Error Comment}. Exit code 1 when no answer came.
'use strict';
const dimse = require('dcmjs-dimse');
const { Client, Dataset } = dimse;
const { CFindRequest, NCreateRequest, NGetRequest, NSetRequest } = dimse.requests;
const { Status } = dimse.constants;
dimse.log.setLevel('error');

const MPPS = '1.2.840.10008.3.1.2.3.3';
const MPPS_RETRIEVE = '1.2.840.10008.3.1.2.3.4';
const [verb, text] = process.argv.slice(2);
const asked = JSON.parse(text);

function send(request) {
  return new Promise((resolve, reject) => {
    const answer = { items: [], status: null, comment: '' };
    const client = new Client();
    let trouble = null;
    request.on('response', (response) => {
      if (response.getStatus() === Status.Pending || response.getStatus() === 0xff01) {
        answer.items.push(response.getDataset().getElements());
        return;
      }
      answer.status = response.getStatus();
      answer.comment = (response.getErrorComment && response.getErrorComment()) || '';
    });
    client.addRequest(request);
    client.on('associationRejected', () => { trouble = new Error('association rejected'); });
    client.on('networkError', (error) => { trouble = trouble || error; });
    client.on('closed', () => {
      if (answer.status === null) reject(trouble || new Error('closed without an answer'));
      else resolve(answer);
    });
    client.send('127.0.0.1', asked.port, asked.calling || 'NODE_CT', asked.called || 'BROKER');
  });
}

function find() {
  const step = {
    ScheduledStationAETitle: '', ScheduledProcedureStepStartDate: '', ScheduledProcedureStepStartTime: '', Modality: '',
    ScheduledProcedureStepDescription: '', ScheduledProtocolCodeSequence: [], ScheduledProcedureStepID: '',
  };
  return send(CFindRequest.createWorklistFindRequest({
    AccessionNumber: asked.accession || '', RequestedProcedureID: '', ScheduledProcedureStepSequence: [step],
  }));
}

function first(sequence) {
  return (Array.isArray(sequence) ? sequence[0] : sequence) || {};
}

function start(item) {
  const step = first(item.ScheduledProcedureStepSequence);
  const request = new NCreateRequest(MPPS, asked.uid);
  request.setDataset(new Dataset({
    SpecificCharacterSet: item.SpecificCharacterSet || 'ISO_IR 100',
    ScheduledStepAttributesSequence: [{
      StudyInstanceUID: item.StudyInstanceUID, ReferencedStudySequence: [], AccessionNumber: item.AccessionNumber,
      RequestedProcedureID: item.RequestedProcedureID, RequestedProcedureDescription: '',
      ScheduledProcedureStepID: step.ScheduledProcedureStepID, ScheduledProcedureStepDescription: '',
      ScheduledProtocolCodeSequence: [],
    }],
    PatientName: item.PatientName, PatientID: item.PatientID, PatientBirthDate: item.PatientBirthDate || '',
    PatientSex: item.PatientSex || '', ReferencedPatientSequence: [], PerformedProcedureStepID: 'PPS1',
    PerformedStationAETitle: asked.calling || 'NODE_CT', PerformedStationName: '', PerformedLocation: '',
    PerformedProcedureStepStartDate: '20261123', PerformedProcedureStepStartTime: '091500',
    PerformedProcedureStepEndDate: '', PerformedProcedureStepEndTime: '', PerformedProcedureStepStatus: 'IN PROGRESS',
    PerformedProcedureStepDescription: '', PerformedProcedureTypeDescription: '', ProcedureCodeSequence: [],
    Modality: step.Modality, StudyID: '', PerformedProtocolCodeSequence: [], PerformedSeriesSequence: [],
  }));
  return send(request);
}

function end(status) {
  const request = new NSetRequest(MPPS, asked.uid);
  const dataset = {
    PerformedProcedureStepStatus: status, PerformedProcedureStepEndDate: '20261123',
    PerformedProcedureStepEndTime: '093000', PerformedSeriesSequence: [{
      PerformingPhysicianName: '', ProtocolName: 'HEAD', OperatorsName: '', SeriesInstanceUID: `${asked.uid}.1`,
      SeriesDescription: '', RetrieveAETitle: '', ReferencedNonImageCompositeSOPInstanceSequence: [],
      ReferencedImageSequence: [{
        ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.2', ReferencedSOPInstanceUID: `${asked.uid}.1.1`,
      }],
    }],
  };
  if (asked.reason) {
    dataset.PerformedProcedureStepDiscontinuationReasonCodeSequence = [
      { CodeValue: asked.reason, CodingSchemeDesignator: 'DCM', CodeMeaning: 'as asked' }];
  }
  request.setDataset(new Dataset(dataset));
  return send(request);
}

async function get() {
  const request = new NGetRequest(MPPS_RETRIEVE, asked.uid, []);
  request.setRequestedSopClassUid(MPPS_RETRIEVE);
  const found = [];
  request.on('response', (response) => {
    const dataset = response.getDataset();
    if (dataset) found.push(dataset.getElements());
  });
  const answer = await send(request);
  return { ...answer, items: found };
}

async function main() {
  if (verb === 'find') return find();
  if (verb === 'get') return get();
  if (verb === 'complete') return end('COMPLETED');
  if (verb === 'stop') return end('DISCONTINUED');
  if (verb !== 'start') throw new Error(`unknown: ${verb}`);
  const found = await find();
  if (found.items.length !== 1) throw new Error(`${found.items.length} items instead of one`);
  return start(found.items[0]);
}

main().then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => { console.error(String(error)); process.exitCode = 1; },
);
