import { ApplicationFailure } from '@temporalio/workflow';

/** Stands for our `instance` in a bundle with nothing but the SDK: refuses its request at once, as ours does a bad one. */
export async function instance(): Promise<void> {
  throw ApplicationFailure.create({ type: 'InvalidRequest', message: 'refused', nonRetryable: true });
}
